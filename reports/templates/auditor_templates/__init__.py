"""The templates of the HTML report. A plugin overrides one by offering a package that holds a template of its name,
and reaches ours as `default:NAME`. The context is `page`; see `auditor.formats.html.context`."""
