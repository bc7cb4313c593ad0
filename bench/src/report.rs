//! The table: aim and figure side by side, printed as the figures come.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::{io::Write, path::Path};

/// What a figure should be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Aim {
    AtMost(f64),
    AtLeast(f64),
    /// Only for comparison.
    None,
}

/// Collects and prints.
pub(crate) struct Report {
    quick: bool,
    figures: Vec<Value>,
    missed: usize,
}

impl Report {
    pub(crate) fn new(quick: bool) -> Report {
        let report = Report { quick, figures: Vec::new(), missed: 0 };
        let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        say(&format!("{cores} cores, Linux {}{}", kernel.trim(), if quick { ", quick run" } else { "" }));
        report
    }

    /// A headline before a group of figures.
    pub(crate) fn group(&self, title: &str) {
        say(&format!("\n{title}\n{:<58}{:>14}{:>14}  {:>6}", "", "aim", "figure", "f/aim"));
    }

    /// One figure. `digits` after the point.
    pub(crate) fn figure(&mut self, what: &str, unit: &str, aim: Aim, figure: f64, digits: usize) {
        let (sign, value, good) = match aim {
            Aim::AtMost(value) => ("≤ ", Some(value), figure <= value),
            Aim::AtLeast(value) => ("≥ ", Some(value), figure >= value),
            Aim::None => ("", None, true),
        };
        let aim_text = value.map_or_else(String::new, |value| format!("{sign}{}", number(value, digits)));
        let ratio = value.map_or_else(String::new, |value| format!("{:.2}", figure / value));
        let verdict = if good { "" } else { "  MISS" };
        self.missed += usize::from(!good);
        say(&format!(
            "  {:<56}{aim_text:>14}{:>14}  {ratio:>6}{verdict}",
            format!("{what}, {unit}"),
            number(figure, digits)
        ));
        self.figures.push(json!({
            "what": what, "unit": unit, "aim": value, "atMost": matches!(aim, Aim::AtMost(_)),
            "figure": figure, "missed": !good,
        }));
    }

    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let all = json!({ "quick": self.quick, "missed": self.missed, "figures": self.figures });
        std::fs::write(path, serde_json::to_vec_pretty(&all)?)
            .with_context(|| format!("can't write {}", path.display()))
    }

    pub(crate) fn finish(&self) {
        let aims = self.figures.iter().filter(|f| !f["aim"].is_null()).count();
        say(&format!(
            "\n{} of {aims} aims met{}",
            aims - self.missed,
            if self.quick { " in a quick run" } else { "" }
        ));
    }
}

/// Thousands in groups.
fn number(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    let (whole, rest) =
        text.split_once('.').map_or((text.as_str(), String::new()), |(w, r)| (w, format!(".{r}")));
    let mut out = String::new();
    for (i, c) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i) % 3 == 0 && c.is_ascii_digit() && !out.ends_with('-') {
            out.push(',');
        }
        out.push(c);
    }
    out + &rest
}

pub(crate) fn say(line: &str) {
    // A closed pipe must not lose the figures that go to the file.
    let _ = writeln!(std::io::stdout(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_misses_are_counted() {
        assert_eq!(
            [number(1234567.0, 0), number(0.25, 2), number(-1234.5, 1)],
            ["1,234,567", "0.25", "-1,234.5"]
        );
        let mut report = Report::new(true);
        report.figure("rows", "per s", Aim::AtLeast(300_000.0), 299_999.0, 0);
        report.figure("ratio", "x", Aim::AtMost(1.05), 1.05, 2);
        assert_eq!(report.missed, 1);
    }
}
