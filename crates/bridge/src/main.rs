use std::process::ExitCode;

fn main() -> ExitCode {
    itop_bridge::telemetry::init();
    itop_bridge::cli::run()
}
