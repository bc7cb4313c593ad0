//! Whole runs: what is installed, and everything that is not, for its reason.

use crate::{
    cloud::{self, Answers, good, not_found},
    kit::Workshop,
};
use model::SystemClock;
use serde_json::{Value, json};
use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};
use update::{
    Cloud, Installed, Machine, Newest, NotInstalled, Outcome, Package, Platform, Publishers, Record, Refusal,
    SignatureError, Step, Updater, installer_version,
};

/// A computer, and what an installer was asked to install on it.
struct Computer {
    administrator: bool,
    free: u64,
    installed: Mutex<Vec<(PathBuf, Vec<u8>)>>,
    answer: Result<Installed, NotInstalled>,
}

impl Machine for Computer {
    fn is_administrator(&self) -> bool {
        self.administrator
    }
    fn disk_free(&self, _: &Path) -> io::Result<u64> {
        Ok(self.free)
    }
    fn make_private(&self, folder: &Path) -> io::Result<()> {
        std::fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o700))
    }
}

impl Package for Computer {
    fn version(&self, file: &Path) -> Result<String, SignatureError> {
        installer_version(file)
    }
    fn install(&self, file: &Path) -> Result<Installed, NotInstalled> {
        self.installed.lock().unwrap().push((file.to_owned(), std::fs::read(file).unwrap()));
        self.answer.clone()
    }
}

/// A site that runs 26.713.1, and a cloud that offers 26.713.2, signed.
struct Site {
    folder: tempfile::TempDir,
    computer: Computer,
    offer: Value,
    file: Vec<u8>,
    running: &'static str,
    publishers: Publishers,
    steps: Mutex<Vec<Step>>,
}

impl Site {
    fn new() -> Site {
        let shop = Workshop::get();
        shop.sign("acme", "tiny.msi", "offered.msi", &[]);
        let file = shop.bytes("offered.msi");
        let computer = Computer {
            administrator: true,
            free: u64::MAX,
            installed: Mutex::default(),
            answer: Ok(Installed { restart: false }),
        };
        let mut site = Site {
            folder: tempfile::tempdir().unwrap(),
            computer,
            offer: json!({ "metadata_version": 1, "version": "26.713.2", "file": "halo-link.msi", "a later field": [] }),
            file: Vec::new(),
            running: "26.713.1",
            publishers: shop.publishers("acme-ca.pem"),
            steps: Mutex::default(),
        };
        site.offers(file);
        site
    }

    fn offers(&mut self, file: Vec<u8>) {
        self.offer["size"] = file.len().into();
        self.offer["sha256"] = update::sha256(&file).into();
        self.file = file;
    }

    async fn cloud(&self) -> Cloud {
        let (offer, file) = (self.offer.to_string(), self.file.clone());
        cloud::start(Arc::new(move |path| match path {
            "/updates/v1/stage/windows-x86_64" => good(offer.as_bytes()),
            "/updates/v1/files/halo-link.msi" => good(&file),
            _ => not_found(),
        }))
        .await
    }

    async fn run(&self) -> Result<Outcome, Refusal> {
        let cloud = self.cloud().await;
        self.run_with(cloud).await
    }

    async fn run_with(&self, cloud: Cloud) -> Result<Outcome, Refusal> {
        self.updater(cloud).update(&mut |step| self.steps.lock().unwrap().push(step)).await
    }

    fn updater(&self, cloud: Cloud) -> Updater<'_> {
        Updater {
            cloud,
            environment: "stage".to_owned(),
            platform: Platform::WindowsX64,
            running: self.running.parse().unwrap(),
            data: self.folder.path().to_owned(),
            folder: self.updates(),
            publishers: self.publishers.clone(),
            policy: &Newest,
            package: &self.computer,
            machine: &self.computer,
            clock: &SystemClock,
            hourly: true,
        }
    }

    fn updates(&self) -> PathBuf {
        self.folder.path().join("updates")
    }

    /// Nothing was installed, nothing of the update is left, and the doctor can read why.
    fn untouched(&self, refusal: &Refusal) {
        assert!(self.computer.installed.lock().unwrap().is_empty(), "{refusal}");
        self.swept();
        let record = Record::read(self.folder.path()).unwrap().unwrap();
        assert_eq!((record.outcome.as_str(), record.code.as_deref()), ("refused", Some(refusal.code())));
        assert_eq!(record.why, Some(refusal.to_string()));
        assert!(refusal.to_string().len() > 40, "a sentence with a next step: {refusal}");
    }

    fn swept(&self) {
        let left: Vec<_> =
            std::fs::read_dir(self.updates()).unwrap().flatten().map(|e| e.file_name()).collect();
        assert_eq!(left, ["lock"]);
    }
}

#[tokio::test]
async fn a_newer_version_is_fetched_checked_installed_and_written_down() {
    let site = Site::new();
    let Ok(Outcome::Installed { version, signer, restart: false }) = site.run().await else {
        panic!("not installed")
    };
    assert_eq!((version.to_string().as_str(), signer.name.as_str()), ("26.713.2", "acme Pty Ltd"));
    let installed = site.computer.installed.lock().unwrap();
    let [(path, bytes)] = &installed[..] else { panic!("installed once") };
    assert_eq!((path, bytes), (&site.updates().join("halo-link.msi"), &site.file));
    site.swept();
    let record = Record::read(site.folder.path()).unwrap().unwrap();
    assert_eq!((record.outcome.as_str(), record.newest.as_deref()), ("installed", Some("26.713.2")));
    assert_eq!((record.running.as_str(), record.why), ("26.713.1", None));
    let steps = site.steps.lock().unwrap();
    let size = site.file.len() as u64;
    assert_eq!(steps.first(), Some(&Step::Asking));
    assert_eq!(
        steps[steps.len() - 3..],
        [Step::Fetching { done: size, size }, Step::Checking, Step::Installing]
    );
}

#[tokio::test]
async fn looking_only_installs_nothing_and_needs_no_administrator() {
    let mut site = Site::new();
    site.computer.administrator = false;
    let cloud = site.cloud().await;
    let found = site.updater(cloud).check(&mut |_| {}).await;
    assert_eq!(found, Ok(Outcome::Available("26.713.2".parse().unwrap())));
    assert_eq!(Record::read(site.folder.path()).unwrap().unwrap().outcome, "available");
    assert_eq!(site.run().await, Err(Refusal::NotAdministrator));
    // What the look found still stands.
    assert_eq!(Record::read(site.folder.path()).unwrap().unwrap().outcome, "available");
    assert!(!site.updates().exists());
}

#[tokio::test]
async fn the_same_version_is_up_to_date_and_a_lower_one_is_refused() {
    let mut site = Site::new();
    site.running = "26.713.2";
    assert_eq!(site.run().await, Ok(Outcome::UpToDate));
    assert_eq!(Record::read(site.folder.path()).unwrap().unwrap().outcome, "up-to-date");
    site.running = "26.1101.1";
    let refusal = site.run().await.unwrap_err();
    assert!(matches!(refusal, Refusal::Lower { .. }), "{refusal}");
    site.untouched(&refusal);
}

#[tokio::test]
async fn a_file_that_is_not_the_one_that_was_said_is_refused() {
    let mut site = Site::new();
    let whole = site.file.clone();
    // One byte differs; the signature would notice as well, but it is not asked about what did not arrive whole.
    site.file[1000] ^= 1;
    let refusal = site.run().await.unwrap_err();
    assert_eq!(refusal, Refusal::Hash);
    site.untouched(&refusal);
    for other in [[&whole[..], b"x"].concat(), whole[..whole.len() - 1].to_vec()] {
        site.file = other;
        let refusal = site.run().await.unwrap_err();
        assert_eq!(refusal, Refusal::Size);
        site.untouched(&refusal);
    }
}

#[tokio::test]
async fn a_cloud_that_lies_consistently_still_needs_the_publishers_signature() {
    let shop = Workshop::get();
    let mut site = Site::new();
    let mut tampered = site.file.clone();
    let payload = tampered.windows(20).position(|w| w == [b'p'; 20]).unwrap_or(tampered.len() / 2);
    tampered[payload] ^= 1;
    shop.sign("other", "tiny.msi", "others.msi", &[]);
    for file in [shop.bytes("tiny.msi"), shop.bytes("others.msi"), tampered, b"MZ and nothing".to_vec()] {
        site.offers(file);
        let refusal = site.run().await.unwrap_err();
        assert!(matches!(refusal, Refusal::Signature(_)), "{refusal}");
        site.untouched(&refusal);
    }
}

#[tokio::test]
async fn an_old_version_under_a_new_name_is_refused() {
    let shop = Workshop::get();
    let mut site = Site::new();
    shop.installer("old", "25.101.1");
    shop.sign("acme", "old.msi", "replayed.msi", &[]);
    site.offers(shop.bytes("replayed.msi"));
    let refusal = site.run().await.unwrap_err();
    assert!(matches!(&refusal, Refusal::Inside { inside, .. } if inside == "25.101.1"), "{refusal}");
    site.untouched(&refusal);
}

#[tokio::test]
async fn a_full_disk_is_told_before_anything_is_fetched() {
    let mut site = Site::new();
    site.computer.free = 70_000_000;
    site.offer["size"] = 60_000_000.into();
    let refusal = site.run().await.unwrap_err();
    assert!(matches!(refusal, Refusal::DiskFull { free: 70, .. }), "{refusal}");
    site.untouched(&refusal);
    assert_eq!(*site.steps.lock().unwrap(), [Step::Asking]);
}

#[tokio::test]
async fn two_runs_at_once_are_one_run() {
    let site = Site::new();
    std::fs::create_dir_all(site.updates()).unwrap();
    let lock = std::fs::File::create(site.updates().join("lock")).unwrap();
    lock.try_lock().unwrap();
    assert_eq!(site.run().await, Err(Refusal::Busy));
    assert_eq!(Record::read(site.folder.path()).unwrap(), None, "the other run tells");
    drop(lock);
    assert!(site.run().await.is_ok());
}

#[tokio::test]
async fn whoever_knows_no_publisher_takes_no_update() {
    let mut site = Site::new();
    site.publishers = Publishers::default();
    assert_eq!(site.run().await, Err(Refusal::NoPublisher));
    assert!(site.computer.installed.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_failed_installer_is_told_in_its_words_and_a_wanted_restart_is_told() {
    let mut site = Site::new();
    let why = "another installation is under way (1618): the next run tries again".to_owned();
    site.computer.answer = Err(NotInstalled { why, busy: true });
    let refusal = site.run().await.unwrap_err();
    assert!(refusal.to_string().contains("1618"), "{refusal}");
    site.swept();
    // It had no turn: the next run is not kept from trying.
    site.computer.answer = Ok(Installed { restart: true });
    assert!(matches!(site.run().await, Ok(Outcome::Installed { restart: true, .. })));
    assert_eq!(Record::read(site.folder.path()).unwrap().unwrap().outcome, "installed-restart-needed");
}

#[tokio::test]
async fn a_file_whose_installer_failed_is_left_alone_by_the_hourly_run_and_a_newer_one_is_not() {
    let shop = Workshop::get();
    let mut site = Site::new();
    site.computer.answer = Err("it put everything back (1603)".to_owned().into());
    let refusal = site.run().await.unwrap_err();
    let record = Record::read(site.folder.path()).unwrap().unwrap();
    let next = record.tried.unwrap().next_try.unwrap();
    assert!(refusal.to_string().contains("1603") && refusal.to_string().contains(&next), "{refusal}");
    // The cloud may be away meanwhile, and somebody may look: it is not forgotten.
    assert!(site.run_with(cloud::start(Arc::new(|_| not_found())).await).await.is_err());
    let looked = site.updater(site.cloud().await).check(&mut |_| {}).await;
    assert!(matches!(looked, Ok(Outcome::Available(_))), "{looked:?}");
    for _ in 0..2 {
        site.steps.lock().unwrap().clear();
        let refusal = site.run().await.unwrap_err();
        assert_eq!(refusal.code(), "paused", "{refusal}");
        assert!(refusal.to_string().contains("1603") && refusal.to_string().contains(&next), "{refusal}");
        assert_eq!(*site.steps.lock().unwrap(), [Step::Asking], "not even fetched");
        assert_eq!(Record::read(site.folder.path()).unwrap().unwrap().why, Some(refusal.to_string()));
    }
    assert_eq!(site.computer.installed.lock().unwrap().len(), 1);

    // By hand: at once, and it says so.
    let updater = Updater { hourly: false, ..site.updater(site.cloud().await) };
    let mut told = Vec::new();
    assert_eq!(updater.update(&mut |step| told.push(step)).await.unwrap_err().code(), "installer");
    assert!(told.contains(&Step::Again), "{told:?}");
    assert_eq!(site.run().await.unwrap_err().code(), "paused");

    // A newer one is another file.
    shop.installer("mended", "26.713.3");
    shop.sign("acme", "mended.msi", "mended-signed.msi", &[]);
    site.offers(shop.bytes("mended-signed.msi"));
    site.offer["version"] = "26.713.3".into();
    site.computer.answer = Ok(Installed { restart: false });
    assert!(matches!(site.run().await, Ok(Outcome::Installed { .. })));
    assert_eq!(Record::read(site.folder.path()).unwrap().unwrap().tried, None);
}

#[tokio::test]
async fn a_day_later_a_failed_file_is_tried_again() {
    let mut site = Site::new();
    site.computer.answer = Err("it put everything back (1603)".to_owned().into());
    assert_eq!(site.run().await.unwrap_err().code(), "installer");
    let mut record = Record::read(site.folder.path()).unwrap().unwrap();
    let day = std::time::Duration::from_secs(24 * 60 * 60);
    let ago = |text: &str| {
        let at = model::Timestamp::parse(text).unwrap();
        model::Timestamp(at.0 - i64::try_from(day.as_millis()).unwrap()).to_rfc3339()
    };
    let tried = record.tried.as_mut().unwrap();
    tried.at = ago(&tried.at);
    record.write(site.folder.path()).unwrap();
    site.computer.answer = Ok(Installed { restart: false });
    assert!(matches!(site.run().await, Ok(Outcome::Installed { .. })));
}

#[tokio::test]
async fn answers_that_are_none_are_told_apart() {
    let site = Site::new();
    let big = vec![b' '; 70_000];
    let cases: [(Vec<u8>, &str); 7] = [
        (not_found(), "nothing-known"),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n".to_vec(), "unreachable"),
        (
            b"HTTP/1.1 302 Found\r\nLocation: https://elsewhere/\r\nContent-Length: 0\r\n\r\n".to_vec(),
            "answer",
        ),
        (good(b"<html>the proxy's log-in page</html>"), "answer"),
        (good(&big), "answer"),
        (b"SSH-2.0-OpenSSH\r\n".to_vec(), "unreachable"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{".to_vec(), "unreachable"),
    ];
    for (answer, code) in cases {
        let answers: Answers = Arc::new(move |_| answer.clone());
        let refusal = site.run_with(cloud::start(answers).await).await.unwrap_err();
        assert_eq!(refusal.code(), code, "{refusal}");
        site.untouched(&refusal);
    }
}

#[tokio::test]
async fn an_unreachable_cloud_is_told_with_what_to_look_at() {
    let site = Site::new();
    let mut cloud = site.cloud().await;
    // A port that was free a moment ago, and where nobody listens.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    cloud.relay = format!("wss://localhost:{free}").parse().unwrap();
    let refusal = site.run_with(cloud).await.unwrap_err();
    assert!(matches!(refusal, Refusal::Unreachable(_)), "{refusal}");
    site.untouched(&refusal);
    // Another authority's certificate, as behind a box that inspects TLS.
    let mut cloud = site.cloud().await;
    cloud.tls = site.cloud().await.tls;
    let refusal = site.run_with(cloud).await.unwrap_err();
    assert!(refusal.to_string().contains("not trusted"), "{refusal}");
    site.untouched(&refusal);
}

#[tokio::test]
async fn updates_go_through_the_proxy_that_the_service_goes_through() {
    let site = Site::new();
    let (address, passed) = cloud::proxy().await;
    let through = async |password: &str| {
        let mut cloud = site.cloud().await;
        cloud.proxy = Some(tunnel::Proxy::parse(&format!("http://ann:{password}@{address}")).unwrap());
        site.run_with(cloud).await
    };
    let refusal = through("guess").await.unwrap_err();
    assert!(refusal.to_string().contains("407"), "{refusal}");
    assert!(!refusal.to_string().contains("guess"), "{refusal}");
    site.untouched(&refusal);
    assert!(matches!(through("secret").await, Ok(Outcome::Installed { .. })));
    assert_eq!(passed.load(std::sync::atomic::Ordering::Relaxed), 2, "the offer and the file");
}

#[tokio::test]
async fn a_connection_that_breaks_on_the_way_leaves_nothing() {
    let site = Site::new();
    let (offer, file) = (site.offer.to_string(), site.file.clone());
    let answers: Answers = Arc::new(move |path| match path {
        "/updates/v1/stage/windows-x86_64" => good(offer.as_bytes()),
        _ => good(&file)[..2000].to_vec(),
    });
    let refusal = site.run_with(cloud::start(answers).await).await.unwrap_err();
    assert!(matches!(refusal, Refusal::Unreachable(_)), "{refusal}");
    site.untouched(&refusal);
}

#[tokio::test]
async fn a_debian_package_is_taken_with_the_signature_beside_it_and_not_without() {
    let shop = Workshop::get();
    std::fs::write(shop.path("halo-link.deb"), b"as a package").unwrap();
    shop.sign_beside("acme", "halo-link.deb", "halo-link.deb.sig");
    shop.sign_beside("other", "halo-link.deb", "other.sig");
    let mut site = Site::new();
    site.offers(shop.bytes("halo-link.deb"));
    site.offer["file"] = "halo-link.deb".into();
    for (signature, wanted) in
        [("halo-link.deb.sig", "version-inside"), ("other.sig", "signature"), ("", "signature")]
    {
        let mut offer = site.offer.clone();
        if !signature.is_empty() {
            offer["signature"] = signature.into();
        }
        let (offer, file) = (offer.to_string(), site.file.clone());
        let beside = if signature.is_empty() { Vec::new() } else { shop.bytes(signature) };
        let answers: Answers = Arc::new(move |path| match path {
            "/updates/v1/stage/linux-x86_64" => good(offer.as_bytes()),
            "/updates/v1/files/halo-link.deb" => good(&file),
            _ => good(&beside),
        });
        let package = Debian(&site.computer);
        let updater = Updater {
            platform: Platform::LinuxX64,
            package: &package,
            ..site.updater(cloud::start(answers).await)
        };
        let refusal = updater.update(&mut |_| {}).await.unwrap_err();
        // The one with the right signature is refused one step later: this package says that it is of another version.
        assert_eq!(refusal.code(), wanted, "{refusal}");
        site.untouched(&refusal);
    }
}

struct Debian<'a>(&'a Computer);
impl Package for Debian<'_> {
    fn version(&self, _: &Path) -> Result<String, SignatureError> {
        Ok("1.2.3\u{7}".to_owned())
    }
    fn install(&self, file: &Path) -> Result<Installed, NotInstalled> {
        self.0.install(file)
    }
}

#[tokio::test]
async fn a_file_whose_name_the_system_would_treat_as_something_else_is_refused() {
    let mut site = Site::new();
    site.offer["file"] = "halo-link.msi.bat".into();
    let refusal = site.run().await.unwrap_err();
    assert!(matches!(refusal, Refusal::Answer(_)), "{refusal}");
    site.untouched(&refusal);
}
