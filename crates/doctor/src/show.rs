//! The report for people at a terminal: grouped lines, each with a word that says how bad it is, colour or not.

use crate::{Finding, Level, Report};

/// Widest line, in characters.
const WIDTH: usize = 110;
/// Where the text of a finding begins.
const INDENT: &str = "           ";

/// As text. Colour only repeats what the words say.
pub fn text(report: &Report, colour: bool) -> String {
    let environment = report.environment.as_deref().unwrap_or("environment unknown");
    let mut text = format!("Halo Link {}, {environment}, {}\n", report.version, report.at);
    for group in &report.groups {
        text += &format!("\n{}\n", group.title);
        for finding in &group.findings {
            text += &one(finding, colour);
        }
    }
    text + &format!("\n{}", sum(report))
}

fn one(finding: &Finding, colour: bool) -> String {
    let (word, paint) = match finding.level {
        Level::Ok => ("ok", "32"),
        Level::Note => ("note", "36"),
        Level::Warning => ("WARNING", "33"),
        Level::Problem => ("PROBLEM", "31;1"),
    };
    let word = format!("{word:<8}");
    let word = if colour { format!("\u{1b}[{paint}m{word}\u{1b}[0m") } else { word };
    let mut text = format!("  {word} {}\n", wrapped(&finding.what));
    if let Some(next) = &finding.next {
        text += &format!("{INDENT}{}\n", wrapped(&format!("-> {next}")));
    }
    if let Some(detail) = finding.detail.as_ref().filter(|detail| !detail.is_empty()) {
        text += &format!("{INDENT}{}\n", wrapped(&format!("({detail})")));
    }
    if finding.level >= Level::Warning {
        text += &format!("{INDENT}{}\n", finding.code);
    }
    text
}

fn sum(report: &Report) -> String {
    let (problems, warnings) = (report.count(Level::Problem), report.count(Level::Warning));
    if problems == 0 && warnings == 0 {
        return "No problem was found.".to_owned();
    }
    let count = |number: usize, one: &str| match number {
        1 => format!("1 {one}"),
        number => format!("{number} {one}s"),
    };
    format!(
        "{}, {}. Each says its next step. What helps support: HaloLinkUtility support-bundle",
        count(problems, "problem"),
        count(warnings, "warning")
    )
}

/// Broken at spaces, further lines indented. Nothing in it may turn the terminal.
fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let word: String = word.chars().filter(|c| !c.is_control()).collect();
        let line = lines.last_mut().expect("there is always a line");
        if line.is_empty() {
            *line = word;
        } else if line.chars().count() + 1 + word.chars().count() <= WIDTH - INDENT.len() {
            line.push(' ');
            line.push_str(&word);
        } else {
            lines.push(word);
        }
    }
    lines.join(&format!("\n{INDENT}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Group;

    fn report(findings: Vec<Finding>) -> Report {
        Report {
            version: "26.1123.1".to_owned(),
            environment: Some("stage".to_owned()),
            at: "2026-02-03T04:05:06.007Z".to_owned(),
            ok: false,
            groups: vec![Group { title: "The three checks", findings }],
        }
    }

    #[test]
    fn how_bad_it_is_can_be_read_without_colour_and_colour_adds_nothing_else() {
        let long = "word ".repeat(60);
        let all = report(vec![
            Finding::ok("HL-0100", "The service runs."),
            Finding::problem("HL-0401", long, "Do this.").with_detail("the system's\u{1b}[2J words"),
        ]);
        let plain = text(&all, false);
        assert!(plain.contains("ok       The service runs.") && plain.contains("PROBLEM  word"), "{plain}");
        assert!(
            plain.contains("-> Do this.") && plain.contains("HL-0401") && !plain.contains("HL-0100"),
            "{plain}"
        );
        assert!(plain.lines().all(|line| line.chars().count() <= WIDTH), "{plain}");
        assert!(!plain.contains('\u{1b}'), "nothing found may turn the terminal: {plain:?}");
        let mut painted = text(&all, true);
        for paint in ["\u{1b}[32m", "\u{1b}[31;1m", "\u{1b}[0m"] {
            assert!(painted.contains(paint));
            painted = painted.replace(paint, "");
        }
        assert_eq!(painted, plain);
    }

    #[test]
    fn the_last_line_counts_and_says_where_to_go_on() {
        let good = text(&report(vec![Finding::ok("HL-0100", "Fine.")]), false);
        assert!(good.ends_with("No problem was found."));
        let bad = text(
            &report(vec![Finding::problem("HL-0401", "x", "y"), Finding::warning("HL-0421", "x", "y")]),
            false,
        );
        assert!(bad.contains("1 problem, 1 warning.") && bad.ends_with("support-bundle"), "{bad}");
    }
}
