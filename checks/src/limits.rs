//! Sizes and times as a user writes them: `2GiB`, `60s`.

use std::time::Duration;

/// A size: a number and `B`, `kB`, `MB`, `GB`, `KiB`, `MiB` or `GiB`; bytes if there is no unit.
pub(crate) fn bytes(text: &str) -> Result<usize, String> {
    const UNITS: [(&str, u64); 8] = [
        ("", 1),
        ("b", 1),
        ("kb", 1000),
        ("mb", 1_000_000),
        ("gb", 1_000_000_000),
        ("kib", 1 << 10),
        ("mib", 1 << 20),
        ("gib", 1 << 30),
    ];
    let (number, unit) = split(text)?;
    let (_, factor) = UNITS
        .iter()
        .find(|(name, _)| unit.eq_ignore_ascii_case(name))
        .ok_or("write a size as 512MiB or 2GiB")?;
    let bytes = number * *factor as f64;
    match bytes >= 1.0 && bytes <= 2f64.powi(53) {
        true => Ok(bytes as usize),
        false => Err("the size must be at least one byte and not beyond all bounds".into()),
    }
}

/// A time: a number and `ms`, `s`, `m` or `h`; seconds if there is no unit.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    const UNITS: [(&str, f64); 6] = [
        ("", 1.0),
        ("ms", 1e-3),
        ("s", 1.0),
        ("m", 60.0),
        ("min", 60.0),
        ("h", 3600.0),
    ];
    const YEAR: f64 = 366.0 * 24.0 * 3600.0;
    let (number, unit) = split(text)?;
    let (_, factor) = UNITS
        .iter()
        .find(|(name, _)| unit.eq_ignore_ascii_case(name))
        .ok_or("write a time as 500ms, 60s, 5m or 2h")?;
    let seconds = number * factor;
    match seconds > 0.0 && seconds <= YEAR {
        true => Ok(Duration::from_secs_f64(seconds)),
        false => Err("the time must be more than nothing and at most a year".into()),
    }
}

/// The number in front, and the rest.
fn split(text: &str) -> Result<(f64, &str), String> {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let number = text[..end]
        .parse()
        .map_err(|_| "it must begin with a number")?;
    Ok((number, text[end..].trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_with_and_without_units() {
        for (text, size) in [
            ("1", 1),
            ("2GiB", 2 << 30),
            ("1.5 KiB", 1536),
            ("10mb", 10_000_000),
        ] {
            assert_eq!(bytes(text), Ok(size), "{text}");
        }
        for text in ["", "GiB", "-1", "1TiBx", "0", "1e9", "99999999999999999999"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_with_and_without_units() {
        for (text, millis) in [("500ms", 500), ("2", 2000), ("1.5s", 1500), ("2m", 120_000)] {
            assert_eq!(time(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "s", "0s", "-1s", "1 fortnight", "1e400s", "99999999h"] {
            assert!(time(text).is_err(), "{text}");
        }
    }
}
