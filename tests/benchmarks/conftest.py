"""What is kept with a baseline: the machine, without its name."""


def pytest_benchmark_update_machine_info(config, machine_info):
    machine_info.pop("node", None)
