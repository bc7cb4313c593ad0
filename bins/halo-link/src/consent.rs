//! `HaloLinkUtility consent` and `unpair`: what integrators may do, in words for the practice.

use crate::Common;
use agent::{
    consent::{Form, Most, Names},
    control::{After, Ask, ConsentAnswer},
};
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use std::{
    io::{self, IsTerminal, Write},
    path::PathBuf,
};

/// Longest file of terms, bytes.
const FILE_BYTES: u64 = 1024 * 1024;
/// Integrators in one answer: each may have thousands of approved statements.
const PAGE: u32 = 100;

#[derive(Subcommand)]
pub(crate) enum Consent {
    /// Every integrator, and whether it is let in
    List {
        #[command(flatten)]
        common: Common,
    },
    /// What one integrator may do, and what it has used up
    Show {
        #[command(flatten)]
        of: Of,
        /// Print the terms as TOML, for consent set --from
        #[arg(long, conflicts_with = "json")]
        toml: bool,
    },
    /// Change what one integrator may do; what is not said stays as it is
    #[command(after_help = "\
Every change counts at once, for what runs too: what only reads is cancelled when it is not consented to any more, what may have
written finishes, and its rows stay here.

Examples:
  HaloLinkUtility consent set --integrator \"Acme Recalls\" --access read-only --expires 2027-06-30
  HaloLinkUtility consent set --integrator \"Acme Recalls\" --catalogue Patients --queries-per-minute 120 --rows-per-day 50000
  HaloLinkUtility consent set --integrator \"Acme Recalls\" --statements approved --approve SHA256   (from audit show --json)
  HaloLinkUtility consent show --integrator \"Acme Recalls\" --toml > acme.toml     then, elsewhere or later:
  HaloLinkUtility consent set --integrator \"Acme Recalls\" --from acme.toml")]
    Set {
        #[command(flatten)]
        of: Of,
        #[command(flatten)]
        change: Box<Change>,
    },
    /// Keep one integrator out, at once; resume lets it in again
    Suspend {
        #[command(flatten)]
        of: Of,
    },
    /// Let a suspended integrator in again
    Resume {
        #[command(flatten)]
        of: Of,
    },
    /// Withdraw the consent for good: its login is erased, and only a new pairing code lets it in again
    Revoke {
        #[command(flatten)]
        of: Of,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Args)]
pub(crate) struct Of {
    /// Its name or id, as status shows it
    #[arg(long, value_name = "NAME")]
    integrator: String,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
pub(crate) struct Change {
    /// Terms from a file (TOML or JSON); options go before what stands there
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// The most that it may do: read-only or read-write
    #[arg(long, value_name = "ACCESS")]
    access: Option<String>,
    /// Until when: never, a day (to its end, UTC) or a time (2027-01-31T17:00:00+10:00)
    #[arg(long, value_name = "WHEN")]
    expires: Option<String>,
    /// Only this database of the practice; say it again for more than one
    #[arg(long = "catalogue", value_name = "NAME", conflicts_with = "all_catalogues")]
    catalogues: Vec<String>,
    /// All databases of the practice
    #[arg(long)]
    all_catalogues: bool,
    /// any, or approved: then it runs nothing but statements that are approved
    #[arg(long, value_name = "WHICH")]
    statements: Option<String>,
    /// Approve a statement, by its SHA-256 as audit show --json has it; say it again for more
    #[arg(long, value_name = "SHA256")]
    approve: Vec<String>,
    /// Approve it no longer
    #[arg(long, value_name = "SHA256")]
    withdraw: Vec<String>,
    /// Whether it may use FHIR: true or false (FHIR is not served yet)
    #[arg(long, value_name = "BOOL")]
    fhir: Option<bool>,
    /// What its applications on desktops may run: off, approved or any
    #[arg(long, value_name = "WHICH")]
    desktop: Option<String>,
    /// Whether a gateway that somebody else runs for it may ask, and read what it gets: true or false
    #[arg(long, value_name = "BOOL")]
    hosted: Option<bool>,
    /// What the audit keeps of its parameters: names or values
    #[arg(long, value_name = "WHAT")]
    audit: Option<String>,
    /// Most queries a minute, or none for no bound
    #[arg(long, value_name = "N", value_parser = most)]
    queries_per_minute: Option<Most>,
    /// Most rows a day, or none
    #[arg(long, value_name = "N", value_parser = most)]
    rows_per_day: Option<Most>,
    /// Most bytes of rows a day, or none
    #[arg(long, value_name = "N", value_parser = most)]
    bytes_per_day: Option<Most>,
    /// Most statements at once, or none
    #[arg(long, value_name = "N", value_parser = most)]
    at_once: Option<Most>,
}

impl Consent {
    /// Asks the service, and says what it answered.
    pub(crate) async fn run(self) -> Result<String> {
        match self {
            Consent::List { common } => {
                let all = all(&common).await?;
                common.show(&all, |all| list(all))
            }
            Consent::Show { of, toml } => {
                let (integrator, site) = (Some(of.integrator), of.common.site);
                let ask = Ask::Consent { integrator, site, most: None, after: None };
                let all: Vec<ConsentAnswer> = of.common.ask(&ask).await?;
                let one = all.first().context("the service said nothing")?;
                if toml { Ok(one.terms.to_toml().trim_end().to_owned()) } else { of.common.show(one, text) }
            }
            Consent::Set { of, change } => {
                let change = Box::new(change.form()?);
                if change.is_empty() {
                    bail!("nothing to change: say what, for example --access read-only (--help shows all)");
                }
                let ask = Ask::ConsentSet { integrator: of.integrator, change, site: of.common.site };
                let now: ConsentAnswer = of.common.ask(&ask).await?;
                of.common.show(&now, text)
            }
            Consent::Suspend { of } => {
                let name = of.switch(false).await?;
                of.common.show(&true, |_| {
                    format!("{name} is suspended: it is let in no more. To let it in again: HaloLinkUtility consent resume")
                })
            }
            Consent::Resume { of } => {
                let name = of.switch(true).await?;
                of.common.show(&true, |_| format!("{name} is let in again."))
            }
            Consent::Revoke { of, yes } => {
                let how = "its database login is erased and its results here are forgotten; only a new pairing code lets it in again";
                confirmed(&of.integrator, how, yes)?;
                let ask = Ask::Revoke { integrator: of.integrator.clone(), site: of.common.site };
                let done: bool = of.common.ask(&ask).await?;
                of.common.show(&done, |_| {
                    format!("The consent to {} is revoked, and its database login is erased.", of.integrator)
                })
            }
        }
    }
}

/// What all integrators may do, asked for page by page.
async fn all(common: &Common) -> Result<Vec<ConsentAnswer>> {
    let mut all: Vec<ConsentAnswer> = Vec::new();
    loop {
        let after = all.last().map(|last| After { site: last.site, integrator: last.integrator });
        let ask = Ask::Consent { integrator: None, site: common.site, most: Some(PAGE), after };
        let page: Vec<ConsentAnswer> = common.ask(&ask).await?;
        let over = page.len() < PAGE as usize;
        all.extend(page);
        if over {
            all.sort_by(|a, b| (a.site, &a.name).cmp(&(b.site, &b.name)));
            return Ok(all);
        }
    }
}

impl Of {
    async fn switch(&self, on: bool) -> Result<&str> {
        let ask = Ask::Switch { integrator: self.integrator.clone(), on, site: self.common.site };
        let _: bool = self.common.ask(&ask).await?;
        Ok(&self.integrator)
    }
}

impl Change {
    fn form(self) -> Result<Form> {
        let mut form = match &self.from {
            Some(path) => {
                use io::Read;
                let mut text = String::new();
                let file = std::fs::File::open(path).with_context(|| path.display().to_string())?;
                file.take(FILE_BYTES)
                    .read_to_string(&mut text)
                    .with_context(|| path.display().to_string())?;
                Form::parse(&text).with_context(|| path.display().to_string())?
            }
            None => Form::default(),
        };
        let list = |words: Vec<String>| (!words.is_empty()).then_some(words);
        let names = match self.all_catalogues {
            true => Some(Names::Word("all".to_owned())),
            false => list(self.catalogues).map(Names::List),
        };
        form.access = self.access.or(form.access);
        form.expires = self.expires.or(form.expires);
        form.catalogues = names.or(form.catalogues);
        form.statements = self.statements.or(form.statements);
        form.approve = list(self.approve).or(form.approve);
        form.withdraw = list(self.withdraw).or(form.withdraw);
        form.fhir = self.fhir.or(form.fhir);
        form.desktop = self.desktop.or(form.desktop);
        form.hosted = self.hosted.or(form.hosted);
        form.audit = self.audit.or(form.audit);
        form.queries_per_minute = self.queries_per_minute.or(form.queries_per_minute);
        form.rows_per_day = self.rows_per_day.or(form.rows_per_day);
        form.bytes_per_day = self.bytes_per_day.or(form.bytes_per_day);
        form.at_once = self.at_once.or(form.at_once);
        Ok(form)
    }
}

/// Ends a pairing, when somebody says so.
pub(crate) async fn unpair(integrator: String, yes: bool, common: &Common) -> Result<String> {
    let how = "its database login, its consent and its results here are erased, and it has to pair again with a new code";
    confirmed(&integrator, how, yes)?;
    let done: bool = common.ask(&Ask::Unpair { integrator: integrator.clone(), site: common.site }).await?;
    common.show(&done, |_| {
        format!("{integrator} is not paired any more; its login and results here are erased.")
    })
}

/// Whether the person at the terminal says yes.
fn confirmed(integrator: &str, how: &str, yes: bool) -> Result<()> {
    match yes {
        true => Ok(()),
        false => said_yes(&format!("{integrator}: {how}. It can't be undone.")),
    }
}

/// The same, with all of the question.
pub(crate) fn said_yes(question: &str) -> Result<()> {
    let mut line = String::new();
    if io::stdin().is_terminal() {
        write!(io::stderr(), "{question}\nType yes to go on: ")?;
        io::stderr().flush()?;
        io::stdin().read_line(&mut line)?;
    }
    if line.trim() != "yes" {
        bail!("nothing was changed: type yes when asked, or say --yes");
    }
    Ok(())
}

fn most(text: &str) -> Result<Most, String> {
    if text == "none" {
        return Ok(Most::Word(text.to_owned()));
    }
    text.parse().map(Most::Number).map_err(|_| "a number, or none".to_owned())
}

fn list(all: &[ConsentAnswer]) -> String {
    if all.is_empty() {
        return "Nobody is paired: make a code with `HaloLinkUtility pairing-code --integrator NAME`"
            .to_owned();
    }
    let line = |one: &ConsentAnswer| {
        let access = one.terms.access.as_deref().unwrap_or_default();
        let until =
            one.terms.expires.as_deref().filter(|at| *at != "never").map(|at| format!(", until {at}"));
        format!(
            "{}  {}  {}{}  ({})",
            one.name,
            standing(&one.state),
            access,
            until.unwrap_or_default(),
            one.site
        )
    };
    all.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn standing(state: &str) -> &str {
    match state {
        "granted" => "let in",
        "suspended" => "SUSPENDED",
        "expired" => "EXPIRED",
        "unapproved" => "NOT APPROVED ANY MORE",
        "revoked" => "REVOKED",
        other => other,
    }
}

/// All of it, one thing on each line.
fn text(one: &ConsentAnswer) -> String {
    let terms = &one.terms;
    let word = |word: &Option<String>| word.clone().unwrap_or_default();
    let yes = |yes: Option<bool>| if yes == Some(true) { "yes" } else { "no" };
    let most = |most: &Option<Most>, used: u64, of: &str| match most {
        Some(Most::Number(most)) => format!("{used} of {most} {of}"),
        _ => format!("{used} {of}, no bound"),
    };
    let approved = terms.approved.as_ref().map_or(0, Vec::len);
    let lines = [
        (
            "let in",
            match one.state.as_str() {
                "granted" => "yes".to_owned(),
                "suspended" => "NO, suspended: `HaloLinkUtility consent resume` lets it in again".to_owned(),
                "expired" => "NO, expired: `HaloLinkUtility consent set --expires` renews it".to_owned(),
                "unapproved" => {
                    "NO, the PMS vendor's approval is over: the integrator must show a new one".to_owned()
                }
                "revoked" => {
                    "NO, revoked, its login is erased: a new pairing code lets it in again".to_owned()
                }
                other => other.to_owned(),
            },
        ),
        ("until", word(&terms.expires)),
        ("vendor", crate::status::approval_text(one.approval.as_ref())),
        (
            "may",
            if terms.access.as_deref() == Some("read-only") { "only read" } else { "read and write" }
                .to_owned(),
        ),
        (
            "databases",
            match &terms.catalogues {
                Some(Names::List(names)) => names.join(", "),
                _ => "all of this practice".to_owned(),
            },
        ),
        (
            "statements",
            match terms.statements.as_deref() {
                Some("approved") => format!("the {approved} approved ones alone"),
                _ => "any".to_owned(),
            },
        ),
        ("FHIR", yes(terms.fhir).to_owned()),
        (
            "desktops",
            match terms.desktop.as_deref() {
                Some("off") => "no".to_owned(),
                Some("approved") => format!("the {approved} approved statements alone"),
                _ => "yes".to_owned(),
            },
        ),
        ("hosted gateway", yes(terms.hosted).to_owned()),
        (
            "audit keeps",
            match terms.audit.as_deref() {
                Some("values") => "statements and their parameters' values".to_owned(),
                _ => "statements, no parameters' values".to_owned(),
            },
        ),
        ("this minute", most(&terms.queries_per_minute, one.used.queries, "queries")),
        ("this day", most(&terms.rows_per_day, one.used.rows, "rows")),
        ("", most(&terms.bytes_per_day, one.used.bytes, "bytes")),
        ("under way", most(&terms.at_once, one.used.at_once, "at once")),
        (
            "changed",
            match (&one.changed_at, &one.changed_by) {
                (Some(at), Some(by)) => format!("{at} by {by}"),
                _ => "never: as it was paired".to_owned(),
            },
        ),
    ];
    let mut text = format!("{} {}\n  site {}", one.name, one.integrator, one.site);
    for (name, value) in lines {
        text += &format!("\n  {name:<15}{value}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn answer(change: impl FnOnce(&mut serde_json::Value)) -> ConsentAnswer {
        let mut answer = json!({
            "site": "15331f1c-64b6-84ea-8ca1-0bfd7bd28c90", "integrator": "25331f1c-64b6-84ea-8ca1-0bfd7bd28c90",
            "name": "Acme", "state": "granted", "changedAt": null, "changedBy": null,
            "terms": {
                "access": "read-only", "expires": "never", "catalogues": "all", "statements": "any", "approved": [],
                "fhir": true, "desktop": "off", "hosted": false, "audit": "names", "queries_per_minute": 60,
                "rows_per_day": "none", "bytes_per_day": "none", "at_once": "none",
            },
            "used": { "queries": 7, "rows": 12, "bytes": 3400, "atOnce": 1 },
        });
        change(&mut answer);
        serde_json::from_value(answer).unwrap()
    }

    #[test]
    fn a_consent_is_shown_in_words_with_what_is_used_up() {
        let shown = text(&answer(|_| {}));
        for part in [
            "only read",
            "7 of 60 queries",
            "12 rows, no bound",
            "hosted gateway no",
            "never: as it was paired",
        ] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        assert!(!shown.contains("NO,"), "{shown}");
    }

    #[test]
    fn whoever_is_kept_out_is_shown_so_with_the_next_step() {
        for (state, next) in
            [("suspended", "consent resume"), ("expired", "--expires"), ("revoked", "new pairing code")]
        {
            let one = answer(|answer| answer["state"] = state.into());
            assert!(text(&one).contains("NO, ") && text(&one).contains(next), "{state}");
            assert!(list(&[one]).contains(&state.to_uppercase()), "{state}");
        }
    }

    #[test]
    fn options_go_before_what_stands_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("terms.toml");
        std::fs::write(&path, answer(|_| {}).terms.to_toml()).unwrap();
        let change = Change {
            from: Some(path),
            access: Some("read-write".to_owned()),
            expires: None,
            catalogues: vec!["Patients".to_owned()],
            all_catalogues: false,
            statements: None,
            approve: Vec::new(),
            withdraw: Vec::new(),
            fhir: None,
            desktop: None,
            hosted: None,
            audit: None,
            queries_per_minute: None,
            rows_per_day: Some(Most::Number(5)),
            bytes_per_day: None,
            at_once: None,
        };
        let form = change.form().unwrap();
        assert_eq!((form.access.as_deref(), form.desktop.as_deref()), (Some("read-write"), Some("off")));
        assert_eq!(form.rows_per_day, Some(Most::Number(5)));
        assert_eq!(form.catalogues, Some(Names::List(vec!["Patients".to_owned()])));
    }
}
