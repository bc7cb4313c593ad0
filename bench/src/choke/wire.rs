//! The same over the wire: a one-row read as in (a), while the practice has set no bounds and while it has set all.

use super::{Micros, ROUNDS, all_bounds};
use crate::report::{Aim, Report, say};
use anyhow::{Result, bail};
use halo::{
    http::Client,
    system::{INTEGRATOR, Options, System},
};
use http::Method;
use model::{Clock, SystemClock};
use std::path::Path;

/// What a code grants, written out: takes back all that [`all_bounds`] sets.
const NO_BOUNDS: &str = r#"{
    "access": "read-write", "expires": "never", "catalogues": "all", "statements": "any", "approved": [], "fhir": true,
    "desktop": "off", "hosted": false, "audit": "names", "queries_per_minute": "none", "rows_per_day": "none",
    "bytes_per_day": "none", "at_once": "none"
}"#;

pub(crate) async fn measure(data: &Path, queries: usize, report: &mut Report) -> Result<()> {
    say("\nstarting the system, for the same over the wire");
    let system = System::start(&Options::new(data.join("choke-wire"))?, &mut |_| {}).await?;
    let outcome = compare(&system, data, queries, report).await;
    system.stop().await?;
    outcome
}

async fn compare(system: &System, data: &Path, queries: usize, report: &mut Report) -> Result<()> {
    let bounds = serde_json::to_string(&all_bounds())?;
    let sides = [("unbounded", NO_BOUNDS), ("bounded", bounds.as_str())];
    let mut micros = [Micros::default(), Micros::default()];
    let path = format!("/integrator/sites/{}/queries/immediate", system.description.site_id);
    let mut client = system.client().await?;
    let mut count = 0;
    // Once before, for nobody.
    for round in 0..=ROUNDS {
        for ((name, terms), micros) in sides.iter().zip(&mut micros) {
            let file = data.join(name).with_extension("json");
            std::fs::write(&file, terms)?;
            let file = file.display().to_string();
            system
                .utility(&["consent", "set", "--integrator", INTEGRATOR, "--json", "--from", &file])
                .await?;
            for _ in 0..queries / ROUNDS {
                count += 1;
                let start = SystemClock.monotonic();
                ask(&mut client, &path, count).await?;
                if round > 0 {
                    micros.add(SystemClock.monotonic() - start);
                }
            }
        }
    }
    let [mut without, mut with] = micros;
    report.group(&format!(
        "(j) a one-row read over the wire, readOnly, on loopback, {queries} in sequence, taking turns"
    ));
    report.figure("without bounds, p50", "µs", Aim::None, without.percentile(50), 0);
    report.figure("without bounds, p99", "µs", Aim::None, without.percentile(99), 0);
    report.figure("with all bounds, p50", "µs", Aim::None, with.percentile(50), 0);
    report.figure("with all bounds, p99", "µs", Aim::None, with.percentile(99), 0);
    let more = with.percentile(50) - without.percentile(50);
    report.figure("all bounds cost more, at the median", "µs", Aim::AtMost(super::AIM), more, 0);
    Ok(())
}

async fn ask(client: &mut Client, path: &str, count: usize) -> Result<()> {
    let headers = [("Content-Type", "application/json")];
    let answer = client.call(Method::POST, path, &headers, crate::latency::body(count)).await?;
    if answer.status != 200 {
        bail!("a query was answered {}: {}", answer.status, String::from_utf8_lossy(&answer.body));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use agent::consent::Form;

    /// A bound that was set and is not taken back would be measured on both sides.
    #[test]
    fn what_takes_the_bounds_back_names_each_of_them() {
        let all = serde_json::to_value(all_bounds()).unwrap();
        let none: serde_json::Value = serde_json::from_str(NO_BOUNDS).unwrap();
        let keys = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&all), keys(&none));
        assert!(Form::parse(NO_BOUNDS).is_ok());
    }
}
