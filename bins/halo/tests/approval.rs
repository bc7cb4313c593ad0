//! The PMS vendor, the integrator and the practice, each with its own program: who is let in, how without a code, and how one gateway
//! of several is put out.

use anyhow::{Context, Result, ensure};
use halo::{
    http::{Answer, Client},
    system::{INTEGRATOR, Options, PMS_ID, Practice, System},
};
use model::Pms;
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

fn halo(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Output> {
    let program = Options::new("")?.programs.join("halo");
    Ok(Command::new(program).args(arguments).envs(environment.iter().copied()).output()?)
}

/// Runs `halo vendor …`; it must succeed.
fn vendor(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Value> {
    let done = halo(&[&["vendor"], arguments].concat(), environment)?;
    ensure!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    Ok(serde_json::from_slice(&done.stdout)?)
}

/// A system in production whose practice has this vendor's key, and nobody paired.
async fn production(folder: &Path, pms: Pms, approval_key: &str) -> Result<System> {
    let pms_files = folder.join("pms");
    fs::create_dir_all(&pms_files)?;
    fs::create_dir_all(folder.join("approvals"))?;
    let file = format!(
        "name = \"{}\"\nkinds = [\"demo\"]\n[vendor]\napproval_keys = [\"{approval_key}\"]\n",
        pms.type_name()
    );
    fs::write(pms_files.join("own.toml"), file)?;
    let mut options = Options::new(folder.join("system"))?;
    options.patients = 100;
    options.practice = Practice {
        environment: "production",
        pms,
        link: format!("[pms]\nfolder = {}\n", json!(pms_files.display().to_string())),
        gateway: format!("approvals = [{}]\n", json!(folder.join("approvals").display().to_string())),
        paired: false,
    };
    System::start(&options, &mut |_| {}).await
}

/// Approves the system's integrator; the gateway finds the file by itself.
async fn approve(
    system: &System,
    folder: &Path,
    key: &[&str],
    more: &[&str],
    pin: &[(&str, &str)],
) -> Result<Value> {
    let identity = folder.join("identity.json");
    fs::write(&identity, system.integrator(&["identity"]).await?.to_string())?;
    let out = folder.join("approvals").join(format!("{}.approval", more.len()));
    let (identity, out) = (identity.display().to_string(), out.display().to_string());
    let all = ["--integrator-root", &identity, "--environment", "production", "--out", &out];
    vendor(&[&["approve"], key, &all, more].concat(), pin)
}

fn path(pms: &str, code: &str) -> String {
    format!("/integrator/pair-site?practiceManagementSiteId={PMS_ID}&practiceManagementName={pms}{code}")
}

async fn pair(client: &mut Client, path: &str) -> Result<Answer> {
    client.call(http::Method::POST, path, &[], "").await
}

fn message(answer: &Answer) -> Result<String> {
    Ok(answer.json()?["error"]["message"].as_str().context("no message")?.to_owned())
}

/// Asks again until the answer is another one than this, for half a minute.
async fn until(client: &mut Client, path: &str, wanted: impl Fn(&Answer) -> bool) -> Result<Answer> {
    let mut last = pair(client, path).await?;
    for _ in 0..150 {
        if wanted(&last) {
            return Ok(last);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        last = pair(client, path).await?;
    }
    anyhow::bail!("never as wanted: {last:?}")
}

async fn run(client: &mut Client, site: &str) -> Result<Answer> {
    let body =
        json!({ "command": { "text": "SELECT TOP 1 InternalID FROM BPS_Patients" }, "readOnly": true });
    client.post(&format!("/integrator/sites/{site}/queries/immediate"), &body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn in_production_the_vendors_word_is_asked_for_and_a_code_alone_is_not_enough() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let key = folder.path().join("vendor.key").display().to_string();
    let made = vendor(&["keygen", "--out", &key], &[])?;
    ensure!(
        !halo(&["vendor", "keygen", "--out", &key], &[])?.status.success(),
        "a key is never written over"
    );
    let approval_key = made["approvalKey"].as_str().context("no key")?;
    let system = production(folder.path(), Pms::BestPractice, approval_key).await?;
    let mut client = system.client().await?;
    let code = system.utility(&["pairing-code", "--integrator", INTEGRATOR, "--json"]).await?;
    let path =
        path("Best%20Practice", &format!("&pairingCode={}", code["code"].as_str().context("no code")?));

    let answer = pair(&mut client, &path).await?;
    ensure!(answer.status == 403 && message(&answer)?.contains("no approval"), "{answer:?}");
    let key = ["--key", key.as_str(), "--pms", "BestPractice", "--access", "read-only"];
    let said = approve(&system, folder.path(), &key, &["--expires", "2099-01-01"], &[]).await?;
    ensure!(said["access"] == "read-only" && said["name"] == INTEGRATOR, "{said}");
    let file = said["file"].as_str().context("no file")?;
    let shown = vendor(&["show", file, "--signed-by", approval_key], &[])?;
    ensure!(shown["signedByOneOfThem"] == true && shown["serial"] == said["serial"], "{shown}");

    let answer = until(&mut client, &path, |answer| answer.status != 403).await?;
    ensure!(answer.status == 200, "the code was good still: {answer:?}");
    let status = system.utility(&["status", "--json"]).await?;
    let of = &status["sites"][0]["integrators"][0];
    ensure!(of["readOnly"] == true && of["approval"]["counts"] == true, "{status}");
    let site = system.description.site_id.clone();
    ensure!(run(&mut client, &site).await?.status == 200);
    system.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_code_the_practice_says_yes_and_one_stolen_gateway_is_put_out_alone() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let key = folder.path().join("vendor.key").display().to_string();
    let made = vendor(&["keygen", "--out", &key], &[])?;
    let system =
        production(folder.path(), Pms::Zedmed, made["approvalKey"].as_str().context("no key")?).await?;
    let (mut client, site) = (system.client().await?, system.description.site_id.clone());
    let path = path("Zedmed", "");
    let answer = pair(&mut client, &path).await?;
    ensure!(answer.status == 403 && message(&answer)?.contains("no approval"), "{answer:?}");
    let none: Value = system.utility(&["pairing", "list", "--json"]).await?;
    ensure!(none == json!([]), "nobody is put before the practice whom the vendor does not know: {none}");

    let arguments = ["--key", key.as_str(), "--pms", "Zedmed"];
    approve(&system, folder.path(), &arguments, &["--expires", "2099-01-01"], &[]).await?;
    let id = system.integrator(&["identity"]).await?["integrator"].as_str().context("no id")?.to_owned();
    let waits =
        |answer: &Answer| message(answer).is_ok_and(|said| said.contains(&id) && said.contains(&site));
    let answer = until(&mut client, &path, waits).await?;
    ensure!(answer.status == 403, "both fingerprints, and not in yet: {answer:?}");
    let asks = system.utility(&["pairing", "list", "--json"]).await?;
    ensure!(asks[0]["integrator"] == id.as_str() && asks[0]["vouched"] == "yes", "{asks}");
    let wrong = system
        .utility(&[
            "pairing",
            "approve",
            "--yes",
            "--json",
            "--integrator",
            INTEGRATOR,
            "--fingerprint",
            &site,
        ])
        .await;
    ensure!(wrong.is_err(), "another fingerprint than the integrator's is refused");
    system
        .utility(&["pairing", "approve", "--yes", "--json", "--integrator", INTEGRATOR, "--fingerprint", &id])
        .await?;
    let answer = pair(&mut client, &path).await?;
    ensure!(answer.status == 200, "{answer:?}");
    ensure!(run(&mut client, &site).await?.status == 200);

    // Another machine of the integrator, which has no root.
    let pem = folder.path().join("two.pem");
    let two = ["issue", "--instance", "gateway two", "--out", pem.to_str().context("a path")?];
    system.integrator(&two).await?;
    let (part, mut second) = system.second_gateway(&pem).await?;
    ensure!(run(&mut second, &site).await?.status == 200);
    let all = system.utility(&["pairing", "instances", "--json", "--integrator", INTEGRATOR]).await?;
    ensure!(all.as_array().is_some_and(|all| all.len() == 2), "{all}");

    let shut = ["pairing", "instances", "--json", "--integrator", INTEGRATOR];
    system.utility(&[&shut[..], &["--shut-out", "gateway two"]].concat()).await?;
    refused(&mut second, &site, "instance-shut-out").await?;
    system.utility(&[&shut[..], &["--let-in", "gateway two"]].concat()).await?;
    let mut again = run(&mut second, &site).await?;
    for _ in 0..100 {
        if again.status == 200 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        again = run(&mut second, &site).await?;
    }
    ensure!(again.status == 200, "it is let in again: {again:?}");
    system.integrator(&["revoke", "--instance", "gateway two"]).await?;
    refused(&mut second, &site, "instance-revoked").await?;
    ensure!(run(&mut client, &site).await?.status == 200, "its sister goes on");
    part.stop(Duration::from_secs(10)).await?;
    ensure!(system.second_gateway(&pem).await.is_err(), "it knows by itself that it is revoked");
    system.stop().await
}

/// Waits until queries are refused with this code: papers are looked at every two seconds.
async fn refused(client: &mut Client, site: &str, code: &str) -> Result<()> {
    let mut last = run(client, site).await?;
    for _ in 0..150 {
        if last.status == 403 && last.json()?["error"]["code"] == code {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        last = run(client, site).await?;
    }
    anyhow::bail!("never refused with {code}: {last:?}")
}

/// With SoftHSM, a token in software: the key is made in it and never leaves it.
#[test]
fn a_key_in_hardware_signs_what_the_same_key_verifies() -> Result<()> {
    const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";
    let folder = tempfile::tempdir()?;
    let tokens = folder.path().join("tokens");
    fs::create_dir_all(&tokens)?;
    let settings: PathBuf = folder.path().join("softhsm2.conf");
    fs::write(&settings, format!("directories.tokendir = {}\n", tokens.display()))?;
    let settings = settings.display().to_string();
    let environment = [("SOFTHSM2_CONF", settings.as_str()), ("HALO_PIN", "canary-1234")];
    let made = Command::new("softhsm2-util")
        .args(["--init-token", "--free", "--label", "vendor", "--pin", "canary-1234", "--so-pin", "so-5678"])
        .envs(environment)
        .output()
        .context("softhsm2-util is missing: apt-get install softhsm2")?;
    ensure!(made.status.success(), "{made:?}");
    let key = ["--pkcs11", MODULE, "--token", "vendor", "--object", "approvals"];
    let none = halo(&[&["vendor", "public-key"][..], &key].concat(), &environment)?;
    ensure!(
        !none.status.success() && String::from_utf8_lossy(&none.stderr).contains("no elliptic-curve key"),
        "{none:?}"
    );
    make_key(MODULE, &settings)?;

    let public = vendor(&[&["public-key"][..], &key].concat(), &environment)?;
    let public = public["approvalKey"].as_str().context("no key")?.to_owned();
    let integrator = trust::Root::generate(trust::Kind::Integrator)?;
    let identity = folder.path().join("identity.json");
    let root = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, integrator.spki());
    let said = json!({ "integrator": integrator.id(), "root": root, "name": "Acme" });
    fs::write(&identity, said.to_string())?;
    let (identity, out) =
        (identity.display().to_string(), folder.path().join("acme.approval").display().to_string());
    let what = [
        "--integrator-root",
        &identity,
        "--pms",
        "Zedmed",
        "--environment",
        "stage",
        "--expires",
        "2099-01-01",
        "--out",
        &out,
    ];
    vendor(&[&["approve"][..], &key, &what].concat(), &environment)?;
    let shown = vendor(&["show", &out, "--signed-by", &public], &[])?;
    ensure!(shown["signedByOneOfThem"] == true, "{shown}");

    let wrong = [("SOFTHSM2_CONF", settings.as_str()), ("HALO_PIN", "wrong")];
    let refused = halo(&[&["vendor", "public-key"][..], &key].concat(), &wrong)?;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    ensure!(
        !refused.status.success() && said.contains("does not take the PIN") && !said.contains("wrong"),
        "{said}"
    );
    Ok(())
}

/// Makes a P-256 key pair in the token, through PKCS #11, in a process of its own: the library reads its settings once, when it is loaded.
fn make_key(module: &str, settings: &str) -> Result<()> {
    let test = "make_a_key_in_the_token_named_by_the_environment";
    let done = Command::new(std::env::current_exe()?)
        .args([test, "--exact", "--ignored", "--nocapture"])
        .envs([("SOFTHSM2_CONF", settings), ("HALO_TEST_MODULE", module)])
        .output()?;
    ensure!(done.status.success(), "{done:?}");
    Ok(())
}

#[test]
#[ignore = "started by the test that needs it, with an environment"]
fn make_a_key_in_the_token_named_by_the_environment() -> Result<()> {
    use cryptoki::{
        context::{CInitializeArgs, CInitializeFlags, Pkcs11},
        mechanism::Mechanism,
        object::Attribute,
        session::UserType,
        types::AuthPin,
    };
    let Ok(module) = std::env::var("HALO_TEST_MODULE") else { return Ok(()) };
    let library = Pkcs11::new(module)?;
    library.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK))?;
    let slot = *library.get_slots_with_initialized_token()?.first().context("no token")?;
    let session = library.open_rw_session(slot)?;
    session.login(UserType::User, Some(&AuthPin::new("canary-1234".into())))?;
    let label = Attribute::Label(b"approvals".to_vec());
    // The curve's name in ASN.1: prime256v1.
    let curve = Attribute::EcParams(vec![0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07]);
    session.generate_key_pair(
        &Mechanism::EccKeyPairGen,
        &[Attribute::Token(true), Attribute::Private(false), Attribute::Verify(true), curve, label.clone()],
        &[
            Attribute::Token(true),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Sign(true),
            label,
        ],
    )?;
    Ok(())
}
