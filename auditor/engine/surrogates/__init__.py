"""Examples made on other models, which an attacker has or trained on the target's answers, tried on the target."""
