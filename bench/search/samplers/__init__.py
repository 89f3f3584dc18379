"""What proposes trials, one module each; see ``bench.catalog.SAMPLERS``. They import nothing heavy at their top."""
