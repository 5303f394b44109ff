//! `glock cluster`: several processes of this machine, started together.

use super::{ClusterArgs, Status, complain};
use crate::mistake::Mistake;
use miette::IntoDiagnostic;
use std::fmt::Write;
use std::net::TcpListener;
use std::process::{Child, Command, ExitStatus, Stdio};

/// Starts the processes and waits for all of them.
pub(super) fn cluster(args: &ClusterArgs) -> miette::Result<Status> {
    let not_check = || {
        Mistake::new("cluster runs `check` and nothing else")
            .help("write: glock cluster -n 2 -- check -d DESIGN -s SCENARIO")
    };
    let Some(("check", rest)) = args
        .command
        .split_first()
        .map(|(name, rest)| (name.as_str(), rest))
    else {
        return Err(not_check().into());
    };
    let folder = tempfile::tempdir().into_diagnostic()?;
    let hosts = folder.path().join("hosts");
    std::fs::write(&hosts, loopback(args.processes.into())?).into_diagnostic()?;
    let program = std::env::current_exe().into_diagnostic()?;
    let mut children = Children(Vec::new());
    for process in 0..args.processes {
        let output = match process {
            0 => Stdio::inherit(),
            _ => Stdio::null(),
        };
        let child = Command::new(&program)
            .arg("check")
            .args(rest)
            .arg("--hostfile")
            .arg(&hosts)
            .arg("--process")
            .arg(process.to_string())
            .stdin(Stdio::null())
            .stdout(output)
            .spawn();
        children.0.push(child.into_diagnostic()?);
    }
    children.wait()
}

/// A host file with so many free ports of the loopback interface.
fn loopback(processes: usize) -> miette::Result<String> {
    let listeners: Vec<_> = (0..processes)
        .map(|_| TcpListener::bind("127.0.0.1:0"))
        .collect::<Result<_, _>>()
        .into_diagnostic()?;
    let mut hosts = String::new();
    for listener in &listeners {
        let address = listener.local_addr().into_diagnostic()?;
        let _ = writeln!(hosts, "{address}");
    }
    Ok(hosts)
}

/// The processes; those that are left when something goes wrong here are ended.
struct Children(Vec<Child>);

impl Children {
    /// Waits for all. What the first says counts; if it was killed, what the next one says.
    fn wait(mut self) -> miette::Result<Status> {
        let mut said = None;
        for (process, child) in self.0.iter_mut().enumerate() {
            let status = child.wait().into_diagnostic()?;
            match status.code() {
                Some(code) => said = said.or(Some(code)),
                None => complain(&killed(process, status)),
            }
        }
        self.0.clear();
        Ok(match said {
            Some(0) => Status::Good,
            Some(1) => Status::Violated,
            Some(2) => Status::Mistake,
            Some(70) => Status::Bug,
            Some(_) | None => Status::Unknown,
        })
    }
}

fn killed(process: usize, status: ExitStatus) -> String {
    format!("process {process} ended by itself: {status}")
}

impl Drop for Children {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
