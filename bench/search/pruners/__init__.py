"""What gives trials up early, one module each; see ``bench.catalog.PRUNERS``. They import nothing heavy."""
