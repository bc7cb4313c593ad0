//! Guessing: pairing codes and subscription keys.

use crate::world::{immediate, is_served, read_only, start};
use anyhow::{Context, Result, ensure};
use halo::{
    http::Client,
    system::{INTEGRATOR, PMS_ID, System},
};
use http::Method;
use std::collections::HashSet;

async fn pair(system: &System, code: &str) -> Result<(u16, String)> {
    let path = format!(
        "/integrator/pair-site?practiceManagementSiteId={PMS_ID}&practiceManagementName=Best%20Practice&pairingCode={code}"
    );
    let answer = system.client().await?.call(Method::POST, &path, &[], "").await?;
    Ok((answer.status, String::from_utf8_lossy(&answer.body).into_owned()))
}

/// Tries: twenty guesses at once at one code whose public name is known, then the right one.
/// Stopped by: a try is counted on disk before the site says anything; after five the code is dead, for the right one too.
/// Seen as: `tries` of the open code in `HaloLinkUtility status`, and 403 to the guesser.
#[tokio::test(flavor = "multi_thread")]
async fn twenty_guesses_at_once_have_five_tries_and_then_the_code_is_dead() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let system = start(&folder).await?;
    let made = system.utility(&["pairing-code", "--integrator", INTEGRATOR, "--json"]).await?;
    let code = made["code"].as_str().context("no code")?.to_owned();
    let name = &code[..4];
    let guesses = (0..20u32).map(|n| format!("{name}-{:04}-0000-0000-0000", n));
    let told = futures::future::try_join_all(guesses.map(|guess| {
        let system = &system;
        async move { pair(system, &guess).await }
    }))
    .await?;
    ensure!(told.iter().all(|(status, _)| *status == 403), "{told:?}");
    let (status, words) = pair(&system, &code).await?;
    ensure!(status == 403, "the right code came too late, and was taken: {words}");
    // A name that no code has is told apart from a wrong secret: it is public. Nothing is told of the secret.
    let (status, unknown) = pair(&system, "0000-0000-0000-0000-0000").await?;
    ensure!(status == 403 && unknown != words, "{unknown}");
    let said = told.iter().map(|(_, words)| words.clone()).collect::<HashSet<_>>();
    ensure!(said.len() <= 2, "wrong guesses are told apart: {said:?}");
    // Nothing was broken by it: a new code pairs.
    let made = system.utility(&["pairing-code", "--integrator", INTEGRATOR, "--json"]).await?;
    ensure!(pair(&system, made["code"].as_str().context("no code")?).await?.0 == 200);
    system.stop().await
}

/// Tries: a thousand subscription keys, near the right one and far from it, and things that are none.
/// Stopped by: 256 random bits, of which only a hash is stored; each guess is looked up by its hash, so how near it is shows nowhere.
/// Seen as: `answered` with 401 in the gateway's log, a line for each.
#[tokio::test(flavor = "multi_thread")]
async fn guesses_at_keys_are_all_answered_alike_and_keep_nobody_out() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let system = start(&folder).await?;
    let right = system.description.subscription_key.clone();
    ensure!(right.len() >= 32, "a key of {} characters", right.len());
    let mut answers = HashSet::new();
    for n in 0..1_000usize {
        let mut guess = right.clone().into_bytes();
        let at = n % guess.len();
        guess[at] = if guess[at] == b'a' { b'b' } else { b'a' };
        let guess = match n % 4 {
            0 => right[..at.max(1)].to_owned(),
            1 => format!("{right}{n}"),
            _ => String::from_utf8(guess)?,
        };
        let mut client = Client::connect(&system.description.gateway, &guess).await?;
        let answer = client.post(&immediate(&system), &read_only("SELECT 1 AS N")).await?;
        answers.insert((answer.status, answer.body));
    }
    ensure!(answers.len() == 1 && answers.iter().all(|(status, _)| *status == 401), "{answers:?}");
    is_served(&system).await?;
    system.stop().await
}
