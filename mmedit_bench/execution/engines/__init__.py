"""What carries workers. Each engine is registered under `mmedit_bench.executors`."""
