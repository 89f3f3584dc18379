"""Where runs can go, one module each; see ``bench.catalog.EXECUTORS``. They import nothing heavy at their top."""
