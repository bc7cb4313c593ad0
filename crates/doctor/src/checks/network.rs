//! The way to Halo Cloud: name, connection, proxy, TLS, WebSocket, welcome; the clock; and what the service itself says.

use super::{RESTART, START};
use crate::{
    Finding,
    seen::{Seen, Way},
};
use agent::control::AskError;
use tunnel::{ConnectError, ProbeError, Probed, TlsWrong, control::RefusedReason, proxy::ProxyError};
use x509_parser::prelude::{FromDer, X509Certificate};

/// The clocks may be this far apart, s.
const DRIFT: u64 = 60;

/// What to do about that.
const NEXT_OF_ENVIRONMENT: &str = "Write the address of its own cloud as `url` into [cloud] of link.toml, or go over to the cloud's environment with \
                                   `HaloLinkUtility environment set`; then restart the service.";

/// Can this server reach Halo Cloud, the whole way to its welcome?
pub(super) fn reached(seen: &Seen) -> Vec<Finding> {
    let Some(way) = &seen.way else {
        return vec![Finding::note(
            "HL-0418",
            "The way to Halo Cloud was not tried: without a configuration nobody knows where it is.",
        )];
    };
    reached_by(way)
}

/// The same of the way alone.
pub(crate) fn reached_by(way: &Way) -> Vec<Finding> {
    let (relay, through) = (&way.relay, through(way));
    let met = match &way.met {
        Ok(met) => met,
        Err(why) => {
            let next = "Correct [cloud] in link.toml and restart the service.";
            return vec![Finding::problem(
                "HL-0414",
                format!("[cloud] of link.toml can't be used: {why}."),
                next,
            )];
        }
    };
    let Some(failed) = &met.failed else {
        let tls = met.tls.unwrap_or("TLS");
        let what = format!("{relay} answers{through} and lets Halo Links in ({tls}).");
        return vec![Finding::ok("HL-0400", what)];
    };
    let (code, what, next) = explain(failed, relay, &through, met);
    vec![Finding::problem(code, what, next).with_detail(failed.to_string())]
}

fn through(way: &Way) -> String {
    way.proxy.as_ref().map(|proxy| format!(" through the proxy {proxy}")).unwrap_or_default()
}

fn explain(failed: &ProbeError, relay: &str, through: &str, met: &Probed) -> (&'static str, String, String) {
    let host = relay.rsplit_once(':').map_or(relay, |(host, _)| host);
    let say = |code, what: String, next: &str| (code, what, next.to_owned());
    match failed {
        ProbeError::Setup(_) => say(
            "HL-0413",
            "This server's store of trusted certificates is empty or can't be read.".to_owned(),
            "Run the system's updates, or name a file with the root certificates as `ca` in [cloud] of link.toml.",
        ),
        ProbeError::Refused { reason: RefusedReason::Certificate, message } => say(
            "HL-0410",
            format!("{relay} answers and does not take this server's proof: {message}."),
            "Set this server's clock right, which this usually comes from; if it is right, send this line to Halo Cloud's support.",
        ),
        ProbeError::Refused { reason: RefusedReason::Environment, .. } => say(
            crate::look::OTHER_ENVIRONMENT,
            format!("{relay} answers, and is another environment's than this server is set to."),
            NEXT_OF_ENVIRONMENT,
        ),
        ProbeError::Refused { message, .. } => say(
            "HL-0410",
            format!("{relay} answers and refuses: {message}."),
            "Send this line to Halo Cloud's support: the way is free, and the refusal is theirs to explain.",
        ),
        ProbeError::Broken(_) => say(
            "HL-0411",
            format!("{relay} answers and then breaks off."),
            "Look again in some minutes; if it stays so, a filter on the way may forbid WebSockets: see docs/allow-list.md.",
        ),
        ProbeError::Connect(error) => match error {
            ConnectError::Dns { host, .. } => say(
                "HL-0401",
                format!("The name {host} could not be resolved."),
                "Check this server's DNS (`nslookup` with that name) and the address in link.toml.",
            ),
            ConnectError::Tcp { to, .. } => say(
                "HL-0402",
                format!("No connection to {to}."),
                "Let the firewall allow outgoing TCP to it, or set `proxy` in [cloud] of link.toml: see docs/allow-list.md.",
            ),
            ConnectError::Proxy(ProxyError::AsksCredentials | ProxyError::RejectsCredentials) => say(
                "HL-0403",
                format!("The way{through} is closed: it wants a user and password that it accepts (407)."),
                "Write them into `proxy` in [cloud] of link.toml (http://user:password@host:port); Basic must be allowed.",
            ),
            ConnectError::Proxy(_) => say(
                "HL-0404",
                format!("The way{through} is closed: the proxy does not let {relay} through."),
                "Let its administrator allow CONNECT to that host and port.",
            ),
            ConnectError::Tls { wrong, .. } => tls(*wrong, host, met),
            ConnectError::Upgrade { .. } => say(
                "HL-0409",
                format!("{relay} answers, but not as Halo Cloud's relay."),
                "Check `url` in [cloud] of link.toml; if it is right, a filter on the way answers instead: let it pass \
                 WebSockets to that host.",
            ),
            ConnectError::TimedOut(_) => say(
                "HL-0412",
                format!("{relay} did not answer in time{through}."),
                "Check the connection to the internet, and whether a firewall drops packets to that host.",
            ),
        },
    }
}

fn tls(wrong: TlsWrong, host: &str, met: &Probed) -> (&'static str, String, String) {
    let say = |code, what: String, next: String| (code, what, next);
    let by = issuer(met);
    let inspector = by.as_deref().and_then(inspector);
    match wrong {
        TlsWrong::Untrusted => {
            let what = match (inspector, &by) {
                (Some(product), _) => format!(
                    "Your {product} opens TLS to {host}, and this server does not trust it; it could read nothing of the \
                     practice's data, which is sealed once more inside."
                ),
                (None, Some(by)) => {
                    format!("The certificate of {host} comes from {by}, whom this server does not trust.")
                }
                (None, None) => format!("The certificate of {host} is not trusted by this server."),
            };
            let next = format!(
                "Let the firewall pass {host} unopened (best), or add its root certificate to this server's trusted roots or as \
                 `ca` in [cloud] of link.toml."
            );
            say("HL-0405", what, next)
        }
        TlsWrong::Time => say(
            "HL-0406",
            format!("The certificate of {host} is not valid at this server's time{}.", validity(met)),
            format!(
                "Set date, time and time zone right ({RESYNC}); if they are right, tell Halo Cloud's support."
            ),
        ),
        TlsWrong::Name => say(
            "HL-0407",
            format!("The certificate that answers for {host} is another host's."),
            "Check `url` in [cloud] of link.toml, and whether a filter on the way answers instead."
                .to_owned(),
        ),
        TlsWrong::Broken | TlsWrong::Other => say(
            "HL-0408",
            format!("TLS with {host} does not come about."),
            "A firewall or filter on the way may forbid it: let it pass TLS 1.3 to that host unopened."
                .to_owned(),
        ),
    }
}

/// Does a box on the way open TLS?
pub(super) fn inspected(seen: &Seen) -> Vec<Finding> {
    let Some(met) = met(seen) else { return Vec::new() };
    let mut found = Vec::new();
    // Refused certificates are told of above.
    if met.tls.is_some()
        && let Some(product) = issuer(met).as_deref().and_then(inspector)
    {
        let what = format!(
            "Your {product} opens TLS to Halo Cloud; it can read nothing of the practice's data, but sees which sites are \
             connected, and it may break long connections."
        );
        let next = "Best is to let it pass the relay's host unopened: see docs/allow-list.md.";
        found.push(Finding::note("HL-0415", what).with_next(next));
    }
    if met.tls == Some("TLS 1.2") {
        let what = "The way to Halo Cloud has TLS 1.2 only: a box in between may be old. What is sealed inside has TLS 1.3.";
        found.push(Finding::note("HL-0416", what));
    }
    found
}

fn of_another_environment(seen: &Seen) -> bool {
    let failed = met(seen).and_then(|met| met.failed.as_ref());
    matches!(failed, Some(ProbeError::Refused { reason: RefusedReason::Environment, .. }))
}

fn met(seen: &Seen) -> Option<&Probed> {
    seen.way.as_ref().and_then(|way| way.met.as_ref().ok())
}

/// Who vouches for the certificate that came.
fn issuer(met: &Probed) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(met.certificates.first()?).ok()?;
    let issuer = certificate.issuer();
    let names =
        issuer.iter_organization().chain(issuer.iter_common_name()).chain(issuer.iter_organizational_unit());
    let names: Vec<&str> = names.filter_map(|name| name.as_str().ok()).collect();
    let clean = |text: String| text.chars().filter(|c| !c.is_control()).take(200).collect::<String>();
    Some(clean(names.join(", "))).filter(|names| !names.is_empty())
}

fn validity(met: &Probed) -> String {
    let read = |der: &Vec<u8>| {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let validity = certificate.validity();
        Some(format!(" (valid from {} to {})", validity.not_before, validity.not_after))
    };
    met.certificates.first().and_then(read).unwrap_or_default()
}

/// A word in the issuer's name, and whose it is.
const INSPECTORS: &[(&str, &str)] = &[
    ("zscaler", "Zscaler"),
    ("fortinet", "Fortinet firewall"),
    ("fortigate", "Fortinet firewall"),
    ("sophos", "Sophos firewall"),
    ("palo alto", "Palo Alto firewall"),
    ("cisco", "Cisco Umbrella or firewall"),
    ("umbrella", "Cisco Umbrella"),
    ("opendns", "Cisco Umbrella"),
    ("netskope", "Netskope"),
    ("goskope", "Netskope"),
    ("blue coat", "Blue Coat (Symantec) proxy"),
    ("bluecoat", "Blue Coat (Symantec) proxy"),
    ("symantec web", "Symantec web gateway"),
    ("forcepoint", "Forcepoint"),
    ("websense", "Forcepoint"),
    ("check point", "Check Point firewall"),
    ("sonicwall", "SonicWall firewall"),
    ("watchguard", "WatchGuard firewall"),
    ("fireware", "WatchGuard firewall"),
    ("barracuda", "Barracuda"),
    ("mcafee", "McAfee or Skyhigh gateway"),
    ("skyhigh", "McAfee or Skyhigh gateway"),
    ("untangle", "Untangle or Arista firewall"),
    ("smoothwall", "Smoothwall"),
    ("iboss", "iboss"),
    ("menlo", "Menlo Security"),
    ("cloudflare for teams", "Cloudflare Gateway"),
    ("gateway ca - cloudflare", "Cloudflare Gateway"),
    ("kaspersky", "Kaspersky"),
    ("eset ssl", "ESET"),
    ("eset, spol", "ESET"),
    ("avast", "Avast"),
    ("avg technologies", "AVG"),
    ("avg web", "AVG"),
    ("bitdefender", "Bitdefender"),
    ("dr.web", "Dr.Web"),
    ("squid", "Squid proxy"),
    ("mitmproxy", "mitmproxy"),
    ("fiddler", "Fiddler"),
];

/// The product that signs so.
pub(super) fn inspector(issuer: &str) -> Option<&'static str> {
    let issuer = issuer.to_lowercase();
    INSPECTORS.iter().find(|(word, _)| issuer.contains(word)).map(|(_, product)| *product)
}

const RESYNC: &str = if cfg!(windows) {
    "`w32tm /resync` in an elevated prompt"
} else {
    "`w32tm /resync` on Windows, `timedatectl set-ntp true` here"
};

/// Is the clock right?
pub(super) fn clock(seen: &Seen) -> Vec<Finding> {
    met(seen).map_or_else(Vec::new, clock_at)
}

/// The same of the way alone.
pub(crate) fn clock_at(met: &Probed) -> Vec<Finding> {
    let Some((theirs, ours)) = met.clocks else {
        // What is not reached tells no time; that it is not reached is told above.
        let told = met.welcomed || met.tls.is_some();
        return if told {
            vec![Finding::note(
                "HL-0422",
                "Halo Cloud did not tell its time, so this server's clock was not compared.",
            )]
        } else {
            Vec::new()
        };
    };
    let apart = theirs.0.abs_diff(ours.0) / 1000;
    if apart < DRIFT {
        return vec![Finding::ok(
            "HL-0420",
            format!("The clock is right, within {} s of Halo Cloud's.", apart.max(1)),
        )];
    }
    let way = if ours > theirs { "fast" } else { "slow" };
    vec![Finding::problem(
        "HL-0421",
        format!("The clock of this server is {apart} s {way}; {DRIFT} s are allowed."),
        format!("Set it right: {RESYNC}; and see that the time service runs."),
    )]
}

/// Does the service itself have its connection?
pub(super) fn joined(seen: &Seen) -> Vec<Finding> {
    let status = match &seen.status {
        Ok(status) => status,
        Err(AskError::NotRunning) => {
            let what = "The service does not run, so no site is connected to Halo Cloud.";
            return vec![Finding::problem("HL-0434", what, format!("To go on, {START}."))];
        }
        Err(_) => return Vec::new(),
    };
    let why = status.why.clone().unwrap_or_default();
    let of_a_copy = why.contains("clone") || why.contains("same copy");
    vec![match status.cloud.as_str() {
        "online" => Finding::ok("HL-0430", "The service is connected to Halo Cloud."),
        "refused" if of_a_copy => Finding::problem(
            "HL-0432",
            "Halo Cloud refuses this server: another one has served the same site, so one of them is a copy or a restored backup.",
            "Decide which server is the real one. On the others stop and remove Halo Link; on the real one, when it is refused: \
             `HaloLinkUtility confirm-server`.",
        )
        .with_detail(why),
        // Said above, with its next step.
        "refused" if of_another_environment(seen) => Finding::problem(
            "HL-0435",
            "Halo Cloud refuses this server: it is another environment's.",
            NEXT_OF_ENVIRONMENT,
        )
        .with_detail(why),
        "refused" => Finding::problem(
            "HL-0433",
            format!("Halo Cloud refuses this server: {why}."),
            "Send this line to Halo Cloud's support.",
        ),
        "connecting" => Finding::note("HL-0431", "The service is just connecting to Halo Cloud.")
            .with_next("Look again in a minute."),
        _ => Finding::problem(
            "HL-0431",
            "The service has no connection to Halo Cloud.",
            format!("Mend what is said above of the way there; the service tries again by itself. If the way is free, {RESTART}."),
        )
        .with_detail(why),
    }]
}
