//! `glock`: checks locking protocols.

fn main() -> std::process::ExitCode {
    glock::cli::main()
}
