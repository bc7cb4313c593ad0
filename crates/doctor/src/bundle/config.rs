//! The configuration for support: settings that are on the list, as they are, and no others.

use toml::{Table, Value};
use tunnel::Proxy;

/// Settings that may be shown, by where they are. `*` stands for any name there.
const ALLOWED: &[&str] = &[
    "data",
    "environment",
    "cloud.url",
    "cloud.ca",
    "cloud.*.url",
    "cloud.*.ca",
    "pms.folder",
    "limits.*",
    "site.pms",
    "site.pms_id",
    "site.pms_version",
    "site.practice_name",
    "site.key",
    "site.database.kind",
    "site.database.path",
    "site.database.server",
    "site.database.default",
    "site.database.encrypt",
    "site.database.trust_server_certificate",
    "site.database.host_name_in_certificate",
    "site.database.catalogues.*",
    "site.database.login.windows",
    "update.publisher",
];
/// A shorter text is no secret worth looking for, and would be found everywhere.
const SECRET_CHARS: usize = 4;

/// The allowed settings as TOML, and all other texts of the file, to be kept out of everything else.
pub(super) fn allowed(text: Option<&str>) -> (String, Vec<String>) {
    let Some(text) = text else { return ("# could not be read\n".to_owned(), Vec::new()) };
    // Whatever is wrong with it is in the doctor's report, without any value.
    let Ok(table) = text.parse::<Table>() else { return ("# does not read\n".to_owned(), quoted(text)) };
    let (mut secrets, mut left_out) = (Vec::new(), 0);
    let kept = keep(&table, "", &mut secrets, &mut left_out);
    let toml = toml::to_string_pretty(&kept).unwrap_or_else(|_| "# can't be written\n".to_owned());
    // Longest first, so that none is cut by another.
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    (format!("# {left_out} settings are not on the list and were left out\n{toml}"), secrets)
}

fn keep(table: &Table, at: &str, secrets: &mut Vec<String>, left_out: &mut usize) -> Table {
    let mut kept = Table::new();
    for (name, value) in table {
        let here = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
        match value {
            Value::Table(inside) => {
                let inside = keep(inside, &here, secrets, left_out);
                if !inside.is_empty() {
                    kept.insert(name.clone(), Value::Table(inside));
                }
            }
            Value::Array(all) if all.iter().all(Value::is_table) => {
                let inside = all.iter().filter_map(Value::as_table);
                let inside = inside.map(|one| Value::Table(keep(one, &here, secrets, left_out))).collect();
                kept.insert(name.clone(), Value::Array(inside));
            }
            value if may_show(&here) => {
                kept.insert(name.clone(), value.clone());
            }
            value => {
                // Where the proxy is helps; who may use it is nobody's business.
                if let Some(proxy) =
                    value.as_str().filter(|_| name == "proxy").and_then(|text| Proxy::parse(text).ok())
                {
                    kept.insert(name.clone(), Value::String(format!("http://{}", proxy.authority())));
                    if let Some((user, password)) = proxy.credentials {
                        secrets.extend([user, password.reveal().clone()]);
                    }
                }
                *left_out += 1;
                gather(value, secrets);
            }
        }
    }
    secrets.retain(|secret| secret.chars().count() >= SECRET_CHARS);
    kept
}

fn may_show(here: &str) -> bool {
    let fits = |pattern: &str| {
        let (mut wanted, mut there) = (pattern.split('.'), here.split('.'));
        loop {
            match (wanted.next(), there.next()) {
                (None, None) => return true,
                (Some("*"), Some(_)) => {}
                (Some(wanted), Some(there)) if wanted == there => {}
                _ => return false,
            }
        }
    };
    ALLOWED.iter().any(|pattern| fits(pattern))
}

fn gather(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::String(text) => into.push(text.clone()),
        Value::Array(all) => all.iter().for_each(|one| gather(one, into)),
        Value::Table(table) => table.values().for_each(|one| gather(one, into)),
        _ => {}
    }
}

/// Every piece between quotes or backslashes of a file that does not read: any of them may be a secret, or a part of one.
fn quoted(text: &str) -> Vec<String> {
    let shown = ["production", "stage", "demo"];
    let pieces = text.split(['"', '\'', '\\', '\n']).map(str::trim);
    let could_be = |piece: &&str| {
        piece.chars().count() >= SECRET_CHARS && !piece.contains(['=', '[']) && !shown.contains(piece)
    };
    pieces.filter(could_be).map(str::to_owned).collect()
}
