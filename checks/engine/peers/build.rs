//! Takes stateright's examples out of its package, wherever cargo keeps it.
//!
//! The text is compiled as it is, but for the comment at a file's head, which rustc accepts only at
//! the head of a module's own file: `//!` becomes `//`.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

use cargo_metadata::{CargoOpt, Metadata, MetadataCommand};

const EXAMPLES: [&str; 5] = [
    "2pc",
    "linearizable-register",
    "paxos",
    "raft",
    "single-copy-register",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=../../../Cargo.lock");
    let examples = examples_of_stateright()?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    for name in EXAMPLES {
        let from = examples.join(name).with_extension("rs");
        println!("cargo::rerun-if-changed={}", from.display());
        let text = fs::read_to_string(&from).map_err(|error| {
            format!(
                "stateright's package has no readable example {name}: {}: {error}",
                from.display()
            )
        })?;
        let lines = text.lines().map(|line| match line.strip_prefix("//!") {
            Some(comment) => format!("//{comment}\n"),
            None => format!("{line}\n"),
        });
        fs::write(
            out.join(name).with_extension("rs"),
            lines.collect::<String>(),
        )?;
    }
    Ok(())
}

/// The folder of the examples in the package that this workspace's lock file names.
fn examples_of_stateright() -> Result<PathBuf, Box<dyn Error>> {
    let metadata = metadata()?;
    let mut found = metadata
        .packages
        .iter()
        .filter(|package| package.name == "stateright");
    let package = found
        .next()
        .ok_or("no package stateright among the dependencies")?;
    if let Some(other) = found.next() {
        return Err(format!("both stateright {} and {}", package.version, other.version).into());
    }
    let root = package
        .manifest_path
        .parent()
        .map(|root| root.join("examples"));
    Ok(root.map(PathBuf::from).ok_or("stateright has no folder")?)
}

/// What cargo knows of this workspace: from what is on this machine, and only if that is not enough
/// (packages that nothing built so far has needed) from the registry.
fn metadata() -> Result<Metadata, Box<dyn Error>> {
    let manifest = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("Cargo.toml");
    let platform = format!("--filter-platform={}", env::var("TARGET")?);
    let ask = |offline: &[&str]| {
        MetadataCommand::new()
            .manifest_path(&manifest)
            .features(CargoOpt::AllFeatures)
            .other_options(
                ["--locked", platform.as_str()]
                    .iter()
                    .chain(offline)
                    .map(|&option| option.to_owned())
                    .collect::<Vec<_>>(),
            )
            .exec()
    };
    ask(&["--offline"]).or_else(|offline| {
        ask(&[]).map_err(|online| {
            format!("cannot find stateright's package: offline: {offline}; online: {online}").into()
        })
    })
}
