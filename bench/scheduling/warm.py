"""What the fork server imports once, so that every worker starts with it: a run's start-up is paid once per machine."""

import bench.evaluation.run
import bench.scheduling.validation
import bench.training.environment
import bench.training.loop  # noqa: F401
