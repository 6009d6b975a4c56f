use std::process::ExitCode;

fn main() -> ExitCode {
    itop_bridge::cli::run()
}
