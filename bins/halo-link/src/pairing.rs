//! `HaloLinkUtility pairing`: who asks to be let in without a code, and which gateways an integrator has.

use crate::{Common, consent::said_yes};
use agent::control::{Ask, InstanceAnswer, RequestAnswer, is_meant, not_denied};
use anyhow::{Context, Result, bail};
use clap::Subcommand;
use model::IntegratorId;

#[derive(Subcommand)]
pub(crate) enum Pairing {
    /// Integrators that ask to be let in, with both fingerprints
    List {
        #[command(flatten)]
        common: Common,
    },
    /// Let one of them in: good for seven days and one pairing
    #[command(after_help = "\
Before you say yes, compare two fingerprints with the integrator, by a way that you trust (phone, not e-mail): its own, and this site's.
Anybody can ask under any name; the fingerprint can't be borrowed.

  HaloLinkUtility pairing list
  HaloLinkUtility pairing approve --integrator \"Acme Recalls\" --fingerprint d0f95963-3b5e-8d67-a301-aa95fcc004da")]
    Approve {
        /// Its name or id, as pairing list shows it
        #[arg(long, value_name = "NAME")]
        integrator: String,
        /// The integrator's fingerprint, as it told you: another one is refused
        #[arg(long, value_name = "GUID")]
        fingerprint: Option<IntegratorId>,
        /// It may only read
        #[arg(long)]
        read_only: bool,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        common: Common,
    },
    /// Say no to one of them, also when you said yes and it has not paired yet
    Deny {
        /// Its name or id, as pairing list shows it
        #[arg(long, value_name = "NAME")]
        integrator: String,
        #[command(flatten)]
        common: Common,
    },
    /// The gateways of a paired integrator; shut one of them out, or let it in again
    Instances {
        /// Its name or id, as status shows it
        #[arg(long, value_name = "NAME")]
        integrator: String,
        /// Shut this gateway out, at once
        #[arg(long, value_name = "GATEWAY", conflicts_with = "let_in")]
        shut_out: Option<String>,
        /// Let it in again
        #[arg(long, value_name = "GATEWAY")]
        let_in: Option<String>,
        #[command(flatten)]
        common: Common,
    },
}

impl Pairing {
    pub(crate) async fn run(self) -> Result<String> {
        match self {
            Pairing::List { common } => {
                let all: Vec<RequestAnswer> = common.ask(&Ask::PairingRequests { site: common.site }).await?;
                common.show(&all, |all| list(all))
            }
            Pairing::Approve { integrator, fingerprint, read_only, yes, common } => {
                let ask = Ask::PairingRequests { site: common.site };
                let all: Vec<RequestAnswer> = common.ask(&ask).await?;
                let one = the_one(&all, &integrator)?;
                if !yes {
                    said_yes(&format!(
                        "{}\nCompare both fingerprints with the integrator, by a way that you trust, before you let it in.",
                        text(one)
                    ))?;
                }
                // By its id: what was shown is what is approved.
                let ask = Ask::PairingDecide {
                    integrator: one.integrator.to_string(),
                    approve: true,
                    fingerprint,
                    read_only,
                    site: Some(one.site),
                };
                let done: RequestAnswer = common.ask(&ask).await?;
                common.show(&done, |done| {
                    format!(
                        "{} may pair once until {}; it {}. Tell it to pair now.",
                        done.name,
                        done.expires_at,
                        if done.read_only { "may only read" } else { "may read and write" }
                    )
                })
            }
            Pairing::Deny { integrator, common } => {
                let ask = Ask::PairingDecide {
                    integrator,
                    approve: false,
                    fingerprint: None,
                    read_only: false,
                    site: common.site,
                };
                let done: RequestAnswer = common.ask(&ask).await?;
                common.show(&done, |done| {
                    format!("{} is not let in, and is told so for seven days.", done.name)
                })
            }
            Pairing::Instances { integrator, shut_out, let_in, common } => {
                let change = shut_out.map(|name| (name, true)).or(let_in.map(|name| (name, false)));
                let ask = Ask::Instances { integrator, change, site: common.site };
                let all: Vec<InstanceAnswer> = common.ask(&ask).await?;
                common.show(&all, |all| instances(all))
            }
        }
    }
}

/// The one that is meant.
fn the_one<'a>(all: &'a [RequestAnswer], wanted: &str) -> Result<&'a RequestAnswer> {
    let found = all.iter().filter(|of| of.state != "paired" && is_meant(wanted, &of.name, of.integrator));
    let found = not_denied(found.collect(), |of| of.state == "denied");
    let one = *found.first().context(
        "no integrator of that name or id asks to be let in here; HaloLinkUtility pairing list shows who does",
    )?;
    if found.iter().any(|of| of.integrator != one.integrator) {
        bail!(
            "several integrators ask under that name: use the fingerprint, and compare it with the integrator"
        );
    }
    if found.len() > 1 {
        bail!(
            "it asks at several of this server's databases: say which with --site (pairing list shows them)"
        );
    }
    Ok(one)
}

fn list(all: &[RequestAnswer]) -> String {
    if all.is_empty() {
        return "No integrator asks to be let in.".to_owned();
    }
    let decide = "\n\nTo let one in, after comparing both fingerprints with it: HaloLinkUtility pairing approve --integrator with its \
                  fingerprint";
    all.iter().map(text).collect::<Vec<_>>().join("\n\n") + decide
}

/// All of it, one thing on each line.
pub(crate) fn text(of: &RequestAnswer) -> String {
    let vouched = match of.vouched.as_str() {
        "yes" => format!(
            "yes, as {}{}",
            of.vouched_name.as_deref().unwrap_or_default(),
            if of.vouched_access.as_deref() == Some("read-only") {
                ", to read"
            } else {
                ", to read and write"
            }
        ),
        "no" => "NO".to_owned(),
        _ => "nobody can say: there is no vendor's key here".to_owned(),
    };
    format!(
        "{}: {}{}, asked {}, until {}\n  its fingerprint     {}\n  this site's         {}\n  the vendor vouches  {vouched}",
        of.name,
        of.state,
        if of.read_only { " to read" } else { "" },
        of.asked_at,
        of.expires_at,
        of.integrator,
        of.site
    )
}

fn instances(all: &[InstanceAnswer]) -> String {
    if all.is_empty() {
        return "None of its gateways has come yet.".to_owned();
    }
    let line = |of: &InstanceAnswer| {
        let state = match (of.shut_out, of.revoked) {
            (true, _) => "SHUT OUT by this practice",
            (false, true) => "REVOKED by the integrator",
            (false, false) => "let in",
        };
        format!("{}  certificate {}  {state}", of.name, of.serial)
    };
    all.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn request(vouched: &str) -> RequestAnswer {
        serde_json::from_value(json!({
            "site": "15331f1c-64b6-84ea-8ca1-0bfd7bd28c90", "integrator": "25331f1c-64b6-84ea-8ca1-0bfd7bd28c90",
            "name": "Acme", "state": "waiting", "readOnly": false, "askedAt": "2026-02-03T04:05:06.007Z",
            "expiresAt": "2026-02-10T04:05:06.007Z", "vouched": vouched, "vouchedName": "Acme Pty", "vouchedAccess": "read-only",
        }))
        .unwrap()
    }

    /// Who decides must see what can't be borrowed, not only the name, which can.
    #[test]
    fn both_fingerprints_and_the_vendors_word_stand_before_who_decides() {
        let shown = list(&[request("yes")]);
        for part in ["15331f1c", "25331f1c", "yes, as Acme Pty, to read", "pairing approve"] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        assert!(text(&request("no")).contains("the vendor vouches  NO"));
        assert!(text(&request("nobody")).contains("nobody can say"));
    }

    #[test]
    fn an_id_means_an_id_and_who_was_denied_stands_in_nobodys_way() {
        let victim = request("no");
        // Anybody may call itself by somebody's fingerprint.
        let thief = RequestAnswer {
            name: victim.integrator.to_string(),
            integrator: "35331f1c-64b6-84ea-8ca1-0bfd7bd28c90".parse().unwrap(),
            ..victim.clone()
        };
        let all = [thief.clone(), victim.clone()];
        assert_eq!(the_one(&all, &victim.integrator.to_string()).unwrap(), &victim);
        let denied = RequestAnswer { name: "ACME".to_owned(), state: "denied".to_owned(), ..thief.clone() };
        assert_eq!(the_one(&[denied.clone(), victim.clone()], " acme").unwrap(), &victim);
        assert_eq!(
            the_one(std::slice::from_ref(&denied), "acme").unwrap(),
            &denied,
            "a no can be taken back"
        );
        let other = RequestAnswer { state: "waiting".to_owned(), ..denied };
        assert!(the_one(&[other, victim.clone()], "acme").unwrap_err().to_string().contains("fingerprint"));
        let elsewhere =
            RequestAnswer { site: "45331f1c-64b6-84ea-8ca1-0bfd7bd28c90".parse().unwrap(), ..victim.clone() };
        let said = the_one(&[elsewhere, victim], "acme").unwrap_err().to_string();
        assert!(said.contains("--site"), "{said}");
    }

    #[test]
    fn a_gateway_that_is_out_says_who_put_it_out() {
        let of = |shut_out, revoked| InstanceAnswer { name: "one".to_owned(), serial: 5, shut_out, revoked };
        assert!(instances(&[of(false, false)]).ends_with("let in"));
        assert!(instances(&[of(true, true)]).contains("by this practice"));
        assert!(instances(&[of(false, true)]).contains("by the integrator"));
    }
}
