//! The command line.

use super::*;

fn glock(args: &[&str]) -> std::process::Output {
    std::process::Command::new(env!("CARGO_BIN_EXE_glock"))
        .args(args)
        .env("NO_COLOR", "1")
        .current_dir(kernel())
        .output()
        .unwrap()
}

#[test]
fn the_exit_status_says_accepted_rejected_or_unusable() {
    let code = |args: &[&str]| {
        let output = glock(&[&["conform"], args].concat());
        let text = String::from_utf8(output.stdout).unwrap();
        (output.status.code().unwrap(), text)
    };
    let trace = "recordings/6.12.117/kara-direct-writes.trace";
    let (status, text) = code(&["-d", "fault-in-retry-bounded", trace]);
    assert!(status == 0 && text.starts_with("Accepted:"), "{text}");
    let (status, text) = code(&["-d", "fault-in-retry", trace]);
    assert!(status == 1 && text.contains("line 113"), "{text}");
    assert!(
        text.lines().all(|line| line.chars().count() <= 80),
        "{text}"
    );
    assert_eq!(code(&["-d", "base", "no-such-file"]).0, 2);
    assert_eq!(code(&["-d", "base", "README.md"]).0, 2);
    let (status, text) = code(&["--all", trace]);
    assert!(
        status == 0 && text.starts_with("fault-in-retry-bounded"),
        "{text}"
    );

    // What follows a loss is not judged.
    let text = std::fs::read_to_string(kernel().join(trace)).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let lost = [&lines[..60], &["CPU:0 [LOST 3 EVENTS]"], &lines[60..]].concat();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lost.trace");
    std::fs::write(&path, lost.join("\n") + "\n").unwrap();
    let (status, text) = code(&["-d", "fault-in-retry-bounded", path.to_str().unwrap()]);
    assert!(status == 3 && text.contains("before line 61"), "{text}");
}

/// Writes the program for a scenario, and compiles it.
fn compile(name: &str, source: &Path, program: &Path) {
    let output = glock(&["reproduce", name]);
    assert_eq!(output.status.code(), Some(0), "{name}");
    std::fs::write(source, output.stdout).unwrap();
    let compiled = std::process::Command::new("cc")
        .args(["-pthread", "-Wall", "-Wextra", "-Werror", "-o"])
        .args([program, source])
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&compiled.stderr);
    assert!(compiled.status.success(), "{name}: {errors}");
}

#[test]
fn programs_compile_without_warnings_and_run_in_a_directory_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("repro.c");
    let program = folder.path().join("repro");
    for name in [
        "race-direct-read",
        "race-buffered-write-mixed-pages",
        "mmap-lock-munmap-buffer-direct-read",
        "bad-second-direct-write",
        "pipe-read-local-writer",
        "hole-direct-read-second-bad",
        "fiemap-race-two-nodes",
        "aio-direct-read",
        "append-buffered-write",
        "crossed-direct-read-two-nodes",
    ] {
        compile(name, &source, &program);
    }
    // Somebody's directory is left alone.
    let refused = std::process::Command::new(&program)
        .arg(folder.path())
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(!folder.path().join("f1").exists());
    for (name, what) in [
        ("io-direct-read", "a plain program has no device"),
        ("served-direct-read", "userfaultfd"),
    ] {
        let output = glock(&["reproduce", name]);
        assert_eq!(output.status.code(), Some(2), "{name}");
        assert!(output.stdout.is_empty(), "{name}");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.contains(what), "{name}: {error}");
    }
}

/// What a file of a program's directory holds behind the program.
fn after(directory: &Path, file: &str) -> Vec<u8> {
    std::fs::read(directory.join(file)).unwrap()
}

/// On the file system of the build directory, where O_DIRECT works on most machines.
#[test]
fn programs_make_the_calls_of_their_scenarios() {
    for (name, returns) in [
        ("bad-second-direct-write", &["-1 errno=14", "4096"][..]),
        ("aio-direct-write-local", &["8192"]),
        ("aio-direct-read", &["8192", "4096", "-1 errno=14"]),
        ("append-direct-write", &["8192"]),
        ("append-buffered-write", &["8192", "4096"]),
        ("unaligned-direct-read", &["3584"]),
        ("hole-direct-read-bad", &["-1 errno=14"]),
        ("fiemap-own", &["0", "-1 errno=95"]),
    ] {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let (source, program) = (folder.path().join("repro.c"), folder.path().join("repro"));
        compile(name, &source, &program);
        let directory = folder.path().join("files");
        std::fs::create_dir(&directory).unwrap();
        let output = std::process::Command::new(&program)
            .arg(&directory)
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        if errors.contains("Invalid argument") {
            continue; // no O_DIRECT here
        }
        assert!(output.status.success(), "{name}: {errors}");
        let printed = String::from_utf8_lossy(&output.stdout);
        let ret = printed
            .lines()
            .find_map(|line| line.strip_prefix("RET P1 "));
        let Some(ret) = ret else {
            assert!(std::fs::metadata("/sys/kernel/tracing/trace_marker").is_ok());
            continue; // it is in the trace
        };
        let expected = |known: &&str| ret.starts_with(*known);
        assert!(returns.iter().any(expected), "{name}: {ret}");
        match name {
            "append-direct-write" => {
                assert_eq!(after(&directory, "f1").len(), 3 * 4096);
            }
            // The extents were written to the mapping of both pages.
            "fiemap-own" if ret.starts_with('0') => {
                let file = after(&directory, "f1");
                assert!(file[..4096].iter().any(|&byte| byte != b'a'));
                assert!(file[4096..8192].iter().any(|&byte| byte != b'b'));
            }
            _ => {}
        }
    }
}
