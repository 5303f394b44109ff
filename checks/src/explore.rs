//! `glock explore`: stateright's Explorer.

use crate::check::fit;
use crate::mistake::Mistake;
use glock_model::actors::Actors;
use glock_model::program::Program;
use glock_model::scenario::Scenario;
use miette::IntoDiagnostic;
use stateright::Model;
use std::io::Write;
use std::net::{SocketAddr, TcpListener};

/// The address, if the machine alone can reach it: the Explorer knows no passwords.
///
/// # Errors
///
/// If it is no address, or not a loopback one.
pub(crate) fn loopback(text: &str) -> Result<SocketAddr, Mistake> {
    let help = "write 127.0.0.1:3000 or [::1]:3000";
    let text = match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text.to_owned(),
    };
    let address: SocketAddr = text.parse().map_err(|_| {
        Mistake::new(format!(
            "{} is no address and port",
            crate::mistake::quoted(&text)
        ))
        .help(help)
    })?;
    if !address.ip().is_loopback() {
        return Err(Mistake::new(format!(
            "{address} can be reached from other machines, and the Explorer lets everybody in"
        ))
        .help(help));
    }
    Ok(address)
}

/// Serves the Explorer until the process ends.
///
/// # Errors
///
/// If the address is taken.
pub(crate) fn serve(
    design: &Program,
    scenario: &Scenario,
    address: SocketAddr,
) -> miette::Result<()> {
    let cluster = fit(design, scenario).into_diagnostic()?;
    // stateright panics if it cannot listen; so ask first.
    TcpListener::bind(address)
        .map(drop)
        .map_err(|e| Mistake::new(format!("cannot listen on {address}: {e}")))?;
    // Nobody may be listening to stdout; that is no reason not to serve.
    let _ = writeln!(
        std::io::stdout(),
        "http://{address} shows {} under {}; Ctrl-C ends",
        scenario.name,
        design.name
    );
    Actors::of(cluster).checker().serve(address);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_machine_itself_may_look() {
        assert!(loopback("127.0.0.1:3000").is_ok());
        assert!(loopback("localhost:3000").is_ok());
        assert!(loopback("[::1]:0").is_ok());
        for outside in ["0.0.0.0:3000", "[::]:3000", "192.168.1.5:80"] {
            let error = loopback(outside).unwrap_err().to_string();
            assert!(error.contains("other machines"), "{error}");
        }
        for nonsense in ["", "3000", "127.0.0.1", "127.0.0.1:99999", "example.org:80"] {
            let error = loopback(nonsense).unwrap_err().to_string();
            assert!(error.contains("no address"), "{error}");
        }
    }
}
