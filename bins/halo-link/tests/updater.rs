//! The updater as a practice's Linux server has it: the real program, a real cloud, real packages, the system's own installer. Into a
//! root of its own, so that the computer under test stays as it is.
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test and its helpers may panic, and say what they skip"
)]

use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(output.status.success(), "{command:?}: {}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// A server with a root of its own, a cloud, and publishers.
struct Place {
    folder: tempfile::TempDir,
    cloud: Option<Child>,
}

impl Place {
    fn new() -> Place {
        let place = Place { folder: tempfile::tempdir().unwrap(), cloud: None };
        for folder in ["programs", "root/var/lib/dpkg/info", "root/var/lib/dpkg/updates", "data"] {
            fs::create_dir_all(place.path(folder)).unwrap();
        }
        fs::write(place.path("root/var/lib/dpkg/status"), "").unwrap();
        for name in ["publisher", "somebody"] {
            let (key, pem) = (place.path(&format!("{name}.key")), place.path(&format!("{name}.pem")));
            run(Command::new("openssl")
                .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30"])
                .args([
                    "-subj".as_ref(),
                    format!("/CN={name}").as_ref(),
                    "-keyout".as_ref(),
                    key.as_os_str(),
                    "-out".as_ref(),
                    pem.as_os_str(),
                ]));
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A package of this version, signed by `signer`.
    fn package(&self, version: &str, signer: &str) -> PathBuf {
        // What is under test is the package and its way in, not the programs: any that run and say their version will do.
        for program in ["HaloLinkService", "HaloLinkUtility", "updater"] {
            let to = self.path("programs").join(program);
            fs::copy("/bin/true", &to).unwrap();
            let mut bytes = fs::read(&to).unwrap();
            bytes.extend(format!("Halo Link version {version};").bytes());
            fs::write(to, bytes).unwrap();
        }
        let path = run(self
            .deb()
            .arg("--programs")
            .arg(self.path("programs"))
            .arg("--out")
            .arg(self.path("packages"))
            .arg("--sign-certificate")
            .arg(self.path(&format!("{signer}.pem")))
            .arg("--sign-key")
            .arg(self.path(&format!("{signer}.key"))));
        PathBuf::from(path.trim())
    }

    fn deb(&self) -> Command {
        Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/deb.sh"))
    }

    fn dpkg(&self, words: &[&str]) -> Command {
        let mut command = Command::new("dpkg");
        command.arg(format!("--root={}", self.path("root").display()));
        command.args(["--force-script-chrootless", "--force-depends"]).args(words);
        command
    }

    /// The installed version, if any.
    fn installed(&self) -> Option<String> {
        let output = Command::new("dpkg-query")
            .arg(format!("--admindir={}", self.path("root/var/lib/dpkg").display()))
            .args(["--show", "--showformat=${db:Status-Status} ${Version}", "halo-link"])
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap().strip_prefix("installed ").map(str::to_owned)
    }

    /// Starts the cloud and writes the link.toml of a server that dials it.
    fn start_cloud(&mut self) {
        let made = [
            "req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=localhost -addext subjectAltName=DNS:localhost",
        ];
        run(Command::new("openssl").args(made[0].split(' ')).current_dir(self.folder.path()).args([
            "-addext",
            "basicConstraints=critical,CA:FALSE",
            "-keyout",
            "relay.key",
            "-out",
            "relay.pem",
        ]));
        let text = "listen = \"127.0.0.1:0\"\ntls_cert = \"relay.pem\"\ntls_key = \"relay.key\"\ndata = \"cloud\"\n\
                    names = [\"localhost\"]\nenvironment = \"stage\"\n[updates]\nfolder = \"updates\"\n";
        fs::write(self.path("cloud.toml"), text).unwrap();
        let mut child = Command::new(self.halo_cloud())
            .args(["run", "--config"])
            .arg(self.path("cloud.toml"))
            .stdout(Stdio::piped())
            .stderr(fs::File::create(self.path("cloud.log")).unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        self.cloud = Some(child);
        let ready: Value = serde_json::from_str(&line).unwrap();
        let port = ready["listen"].as_str().unwrap().rsplit(':').next().unwrap();
        let link = format!(
            "data = \"data\"\nenvironment = \"stage\"\n[cloud]\nurl = \"wss://localhost:{port}/tunnel/v1\"\nca = \"relay.pem\"\n\
             [update]\npublisher = \"publisher.pem\"\nfolder = \"incoming\"\n"
        );
        fs::write(self.path("link.toml"), link).unwrap();
    }

    /// Built by `cargo build --workspace --bins`, beside the programs of this package.
    fn halo_cloud(&self) -> PathBuf {
        let path = Path::new(env!("CARGO_BIN_EXE_updater")).with_file_name("halo-cloud");
        assert!(path.exists(), "{} is missing: `cargo build -p halo-cloud` makes it", path.display());
        path
    }

    fn publish(&self, package: &Path) {
        run(Command::new(self.halo_cloud())
            .args(["publish-update", "--environment", "stage", "--platform", PLATFORM, "--config"])
            .arg(self.path("cloud.toml"))
            .arg(package));
    }

    fn update(&self, more: &[&str]) -> (bool, Value) {
        let output = Command::new(env!("CARGO_BIN_EXE_updater"))
            .args(["--json", "--config"])
            .arg(self.path("link.toml"))
            .args(more)
            .env("HALO_LINK_DPKG_ROOT", self.path("root"))
            .output()
            .unwrap();
        // The last line: the system's installer may have said something before.
        let text = String::from_utf8(output.stdout.clone()).unwrap();
        let last = text.lines().last().unwrap_or_else(|| panic!("it said nothing: {}", said(&output)));
        (
            output.status.success(),
            serde_json::from_str(last).unwrap_or_else(|e| panic!("{e}: {}", said(&output))),
        )
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(cloud) = &mut self.cloud {
            let _ = cloud.kill();
            let _ = cloud.wait();
        }
    }
}

const PLATFORM: &str = if cfg!(target_arch = "aarch64") { "linux-aarch64" } else { "linux-x86_64" };

/// Packages can be installed by root only, also into another root.
fn is_root() -> bool {
    let root = run(Command::new("id").arg("-u")).trim() == "0";
    if !root {
        println!("skipped: installing a package, even into a root of its own, needs root");
    }
    root
}

#[test]
fn a_server_is_brought_up_to_date_and_never_by_somebody_else() {
    if !is_root() {
        return;
    }
    let mut place = Place::new();
    place.start_cloud();
    let running = agent::host::VERSION;
    let first = place.package(running, "publisher");
    run(&mut place.dpkg(&["--install", first.to_str().unwrap()]));
    assert_eq!(place.installed().as_deref(), Some(running));
    fs::write(place.path("root/etc/halo-link/link.toml"), "as the practice wrote it").unwrap();
    fs::create_dir_all(place.path("root/var/lib/halo-link/identity")).unwrap();
    fs::write(place.path("root/var/lib/halo-link/identity/link.root"), "the key").unwrap();

    let (good, told) = place.update(&[]);
    assert_eq!((good, &told["code"]), (false, &Value::from("nothing-known")), "{told}");
    place.publish(&first);
    let (good, told) = place.update(&[]);
    assert_eq!((good, &told["outcome"]), (true, &Value::from("up-to-date")), "{told}");

    let newer = place.package("99.713.2", "publisher");
    place.publish(&newer);
    let (good, told) = place.update(&["--check"]);
    assert_eq!(
        (good, &told["outcome"], &told["newest"]),
        (true, &"available".into(), &"99.713.2".into()),
        "{told}"
    );
    assert_eq!(place.installed().as_deref(), Some(running), "looking installs nothing");
    let (good, told) = place.update(&[]);
    assert_eq!(
        (good, &told["outcome"], &told["signedBy"]),
        (true, &"installed".into(), &"publisher".into()),
        "{told}"
    );
    assert_eq!(place.installed().as_deref(), Some("99.713.2"));
    let record: Value = serde_json::from_slice(&fs::read(place.path("data/update.json")).unwrap()).unwrap();
    assert_eq!(record["outcome"], "installed", "{record}");

    // Somebody else's; then the publisher's signature over another file.
    place.publish(&place.package("99.713.3", "somebody"));
    let (good, told) = place.update(&[]);
    assert_eq!((good, &told["code"]), (false, &"signature".into()), "{told}");
    assert!(told["why"].as_str().unwrap().contains("signed by somebody, who is not the publisher"), "{told}");
    let tampered = place.package("99.713.4", "publisher");
    let mut bytes = fs::read(&tampered).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&tampered, bytes).unwrap();
    place.publish(&tampered);
    let (good, told) = place.update(&[]);
    assert_eq!((good, &told["code"]), (false, &"signature".into()), "{told}");
    assert!(told["why"].as_str().unwrap().contains("changed after it was signed"), "{told}");
    assert_eq!(place.installed().as_deref(), Some("99.713.2"), "what runs was left as it was");

    let kept = fs::read_to_string(place.path("root/etc/halo-link/link.toml")).unwrap();
    assert_eq!(kept, "as the practice wrote it");
    assert!(place.path("root/var/lib/halo-link/identity/link.root").exists());
    place.cloud.take().map(|mut cloud| cloud.kill().and_then(|()| cloud.wait())).unwrap().unwrap();
    let (good, told) = place.update(&[]);
    assert_eq!((good, &told["code"]), (false, &"unreachable".into()), "{told}");
}

#[test]
fn an_installer_that_fails_is_not_started_every_hour() {
    if !is_root() {
        return;
    }
    let mut place = Place::new();
    place.start_cloud();
    place.publish(&place.package("99.713.2", "publisher"));
    // Another package has a file of the same name: dpkg fails.
    let other = place.path("other");
    for folder in ["DEBIAN", "usr/bin"] {
        fs::create_dir_all(other.join(folder)).unwrap();
    }
    fs::write(other.join("usr/bin/HaloLinkUtility"), "somebody else's").unwrap();
    let control =
        "Package: other\nVersion: 1\nArchitecture: all\nMaintainer: A <a@example.com>\nDescription: other\n";
    fs::write(other.join("DEBIAN/control"), control).unwrap();
    run(Command::new("dpkg-deb").arg("--build").arg(&other).arg(place.path("other.deb")));
    run(&mut place.dpkg(&["--install", text(&place.path("other.deb"))]));
    let (good, told) = place.update(&["--hourly"]);
    assert_eq!((good, &told["code"]), (false, &"installer".into()), "{told}");
    let next = told["nextTry"].as_str().unwrap().to_owned();
    let (good, told) = place.update(&["--hourly"]);
    let why = told["why"].as_str().unwrap();
    assert_eq!((good, &told["code"]), (false, &"paused".into()), "{told}");
    assert!(why.contains(&next) && why.contains("run `updater` as an administrator"), "{why}");
    let looked = Command::new(env!("CARGO_BIN_EXE_updater"))
        .args(["--check", "--config"])
        .arg(place.path("link.toml"))
        .output()
        .unwrap();
    assert!(looked.status.success() && said(&looked).contains(&next), "{}", said(&looked));
    // The reason is mended; by hand it is tried at once.
    run(&mut place.dpkg(&["--remove", "other"]));
    let (good, told) = place.update(&[]);
    assert_eq!((good, &told["outcome"]), (true, &"installed".into()), "{told}");
    assert_eq!(place.installed().as_deref(), Some("99.713.2"));
}

#[test]
fn a_package_installs_upgrades_keeps_and_goes() {
    if !is_root() {
        return;
    }
    let place = Place::new();
    let first = place.package("26.713.1", "publisher");
    let newer = place.package("26.713.2", "publisher");
    let lie = place.deb().args(["--version", "26.713.3", "--programs"]).arg(place.path("programs")).output();
    let lie = lie.unwrap();
    assert!(!lie.status.success() && said(&lie).contains("is of version 26.713.2"), "{}", said(&lie));
    real_programs_say_their_version();
    run(&mut place.dpkg(&["--install", first.to_str().unwrap()]));
    let root = place.path("root");
    for file in [
        "usr/bin/HaloLinkUtility",
        "usr/lib/halo-link/HaloLinkService",
        "usr/lib/halo-link/updater",
        "usr/lib/systemd/system/halo-link.service",
        "etc/halo-link/link.toml.example",
    ] {
        assert!(root.join(file).exists(), "{file}");
    }
    assert!(!root.join("etc/halo-link/link.toml").exists(), "nothing is configured by itself");
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &fs::metadata(root.join("etc/halo-link")).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o750);
    fs::write(root.join("etc/halo-link/link.toml"), "mine").unwrap();
    fs::write(root.join("etc/halo-link/link.toml.example"), "scribbled on").unwrap();
    fs::create_dir_all(root.join("var/lib/halo-link")).unwrap();
    fs::write(root.join("var/lib/halo-link/link.db"), "state").unwrap();
    verify_units(&root);

    run(&mut place.dpkg(&["--force-confold", "--install", newer.to_str().unwrap()]));
    assert_eq!(place.installed().as_deref(), Some("26.713.2"));
    let refused = place.dpkg(&["--refuse-downgrade", "--install", first.to_str().unwrap()]).output().unwrap();
    assert_eq!(place.installed().as_deref(), Some("26.713.2"), "{}", said(&refused));
    run(&mut place.dpkg(&["--remove", "halo-link"]));
    assert!(!root.join("usr/bin/HaloLinkUtility").exists());
    for kept in ["etc/halo-link/link.toml", "var/lib/halo-link/link.db"] {
        assert!(root.join(kept).exists(), "{kept} is kept for a server that comes back");
    }
    run(&mut place.dpkg(&["--purge", "halo-link"]));
    for gone in ["etc/halo-link", "var/lib/halo-link"] {
        assert!(!root.join(gone).exists(), "{gone}");
    }
}

/// Where the scripts that make packages look for it.
fn real_programs_say_their_version() {
    let mark = format!("Halo Link version {};", agent::host::VERSION);
    for program in [
        env!("CARGO_BIN_EXE_HaloLinkService"),
        env!("CARGO_BIN_EXE_HaloLinkUtility"),
        env!("CARGO_BIN_EXE_updater"),
    ] {
        let bytes = fs::read(program).unwrap();
        assert!(bytes.windows(mark.len()).any(|part| part == mark.as_bytes()), "{mark} in {program}");
    }
}

/// As on a real server: an account is made, folders belong to it, and all of it goes. In a copy of this system that is thrown away.
#[test]
fn a_package_makes_an_account_and_takes_it_away_again() {
    if !is_root() {
        return;
    }
    let place = Place::new();
    let package = place.package("26.713.1", "publisher");
    fs::create_dir_all(place.path("layer")).unwrap();
    let layer = "mount -t tmpfs none layer && mkdir layer/up layer/work layer/root && \
                 mount -t overlay overlay -o lowerdir=/,upperdir=layer/up,workdir=layer/work layer/root";
    let in_layer = |then: &str| {
        let script = format!("set -e; cd '{}'; {layer}; {then}", text(place.folder.path()));
        Command::new("unshare").args(["--mount", "bash", "-c", &script]).output().unwrap()
    };
    let tried = in_layer("true");
    if !tried.status.success() {
        println!("skipped: no copy of this system can be made here: {}", said(&tried));
        return;
    }
    let inside = r#"
        dpkg --force-depends --install /package.deb
        stat -c '%U:%G %a %n' /etc/halo-link /var/lib/halo-link
        echo mine > /etc/halo-link/link.toml
        dpkg --force-depends --install /package.deb
        stat -c '%U:%G %a %n' /etc/halo-link/link.toml
        dpkg --remove halo-link
        stat -c 'kept %n' /etc/halo-link/link.toml /var/lib/halo-link
        dpkg --purge halo-link
        [ ! -e /etc/halo-link ] && [ ! -e /var/lib/halo-link ] && ! getent passwd halo-link && echo all gone
    "#;
    fs::write(place.path("inside.sh"), format!("set -e\n{inside}")).unwrap();
    let copy = format!("cp '{}' layer/root/package.deb; cp inside.sh layer/root/inside.sh", text(&package));
    let output = in_layer(&format!("{copy}; chroot layer/root bash /inside.sh"));
    let said = said(&output);
    assert!(output.status.success(), "{said}");
    for line in [
        "root:halo-link 750 /etc/halo-link",
        "halo-link:halo-link 700 /var/lib/halo-link",
        "root:halo-link 640 /etc/halo-link/link.toml",
        "kept /etc/halo-link/link.toml",
        "kept /var/lib/halo-link",
        "all gone",
    ] {
        assert!(said.lines().any(|said| said == line), "{line} in {said}");
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// With the system's own units beside them, as systemd would load them.
fn verify_units(root: &Path) {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        println!("skipped: the units are not verified, systemd-analyze is not here");
        return;
    }
    run(Command::new("cp")
        .args(["-rn", "/usr/lib/systemd/system/."])
        .arg(root.join("usr/lib/systemd/system")));
    let mut verify = Command::new("systemd-analyze");
    verify.arg(format!("--root={}", root.display())).arg("verify");
    let output = verify
        .args(["halo-link.service", "halo-link-updater.service", "halo-link-updater.timer"])
        .output()
        .unwrap();
    let about_ours: Vec<_> =
        said(&output).lines().filter(|l| l.contains("halo-link")).map(str::to_owned).collect();
    assert!(about_ours.is_empty(), "{about_ours:#?}");
}
