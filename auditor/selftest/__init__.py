"""Known answers: models, data and attacks that are broken on purpose, and honest ones, with what an audit has to say.

auditor scan auditor.selftest.masks:shattered --data … --eps 0.1     any of the models, by hand
"""
