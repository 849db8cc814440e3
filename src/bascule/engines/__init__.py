"""How is each real program found, configured, run, judged? One folder per engine; `registry.engine(name)` finds it."""
