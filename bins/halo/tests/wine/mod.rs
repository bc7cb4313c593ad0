//! A computer with Windows, as far as Wine is one.

pub(crate) mod site;

use anyhow::{Context, Result, bail, ensure};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::{process::Command, time::timeout};

const WINE: &str = "/usr/lib/wine/wine64";
const SERVERS: [&str; 2] = ["/usr/lib/wine/wineserver", "/usr/lib/wine/wineserver64"];
/// No program of a test takes longer.
const WITHIN: Duration = Duration::from_secs(180);

/// A Wine prefix of its own; everything in it ends with it.
pub(crate) struct Wine {
    prefix: PathBuf,
    server: &'static str,
}

/// A Linux path as Wine's programs have it.
pub(crate) fn path(path: &Path) -> String {
    format!("Z:{}", path.display().to_string().replace('/', "\\"))
}

impl Wine {
    /// Makes the prefix. `bcrypt`: the DLL that this Wine lacks (windows/wine).
    pub(crate) fn start(prefix: &Path, bcrypt: &Path) -> Result<Wine> {
        let server = SERVERS.into_iter().find(|server| Path::new(server).exists());
        let server = server.context("no Wine here: ./x windows installs it")?;
        fs::create_dir_all(prefix)?;
        let wine = Wine { prefix: prefix.to_owned(), server };
        let made = wine
            .std_command(WINE, &["wineboot", "-i"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()?;
        ensure!(made.success(), "wineboot: {made}");
        // Wine 8: an MSI can't install a service in the first boot of a prefix.
        wine.serve(&["-k", "-w"]);
        fs::copy(bcrypt, wine.c("windows/system32/bcryptprimitives.dll")).context("bcryptprimitives.dll")?;
        wine.boot()?;
        Ok(wine)
    }

    /// Below drive C.
    pub(crate) fn c(&self, path: &str) -> PathBuf {
        self.prefix.join("drive_c").join(path)
    }

    /// Runs a program to its end and gives what it printed; failing, an error with all of that.
    pub(crate) async fn run(&self, program: &str, arguments: &[&str]) -> Result<String> {
        let words: Vec<&str> = [program].into_iter().chain(arguments.iter().copied()).collect();
        let mut command = Command::from(self.std_command(WINE, &words));
        let done = timeout(WITHIN, command.kill_on_drop(true).output()).await;
        let done = done.with_context(|| format!("{program} {arguments:?} took too long"))??;
        let text = String::from_utf8_lossy(&done.stdout).replace('\r', "");
        if !done.status.success() {
            bail!(
                "{program} {arguments:?}: {}\n{text}{}",
                done.status,
                String::from_utf8_lossy(&done.stderr)
            );
        }
        Ok(text)
    }

    /// Runs msiexec in silence; failing, an error with the log that an IT provider would read.
    pub(crate) async fn msi(&self, arguments: &[&str]) -> Result<()> {
        let mut words = arguments.to_vec();
        words.extend(["/qn", "/l*v", r"C:\msi.log"]);
        let done = self.run("msiexec", &words).await;
        done.map(drop).map_err(|error| {
            let log = fs::read(self.c("msi.log")).unwrap_or_default();
            // Windows writes UTF-16, Wine UTF-8.
            error.context(String::from_utf8_lossy(&log).replace('\0', ""))
        })
    }

    /// A fresh prefix is a workstation; this makes it Windows Server 2022 for all who ask the registry, as Windows' own functions do.
    pub(crate) async fn become_a_server(&self) -> Result<()> {
        let version = r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion";
        let text = |key, name, value| ["add", key, "/v", name, "/t", "REG_SZ", "/d", value, "/f"];
        let options = r"HKLM\SYSTEM\CurrentControlSet\Control\ProductOptions";
        for words in [
            text(version, "ProductName", "Windows Server 2022 Standard"),
            text(version, "CurrentVersion", "6.3"),
            text(version, "CurrentBuild", "20348"),
            text(version, "CurrentBuildNumber", "20348"),
            text(version, "InstallationType", "Server"),
            text(version, "CSDVersion", ""),
            text(options, "ProductType", "ServerNT"),
        ] {
            self.run("reg", &words).await?;
        }
        for (name, value) in [("CurrentMajorVersionNumber", "10"), ("CurrentMinorVersionNumber", "0")] {
            self.run("reg", &["add", version, "/v", name, "/t", "REG_DWORD", "/d", value, "/f"]).await?;
        }
        self.reboot()
    }

    /// Everything ends; then the server starts again, and with it what starts by itself.
    pub(crate) fn reboot(&self) -> Result<()> {
        self.serve(&["-k", "-w"]);
        self.boot()
    }

    /// One server that stays, so that services outlive the program that started them. The first program starts what starts by itself, which
    /// inherits its pipes: it gets none, or their reader would wait for every service.
    fn boot(&self) -> Result<()> {
        self.serve(&["-p"]);
        let mut first = self.std_command(WINE, &["cmd", "/c", "exit"]);
        let done = first.stdout(Stdio::null()).stderr(Stdio::null()).status()?;
        ensure!(done.success(), "cmd: {done}");
        Ok(())
    }

    fn std_command(&self, program: &str, arguments: &[&str]) -> std::process::Command {
        let mut command = std::process::Command::new(program);
        command
            .args(arguments)
            .env("WINEPREFIX", &self.prefix)
            .env("WINEARCH", "win64")
            .env("WINEDEBUG", "-all")
            .env("WINEDLLOVERRIDES", "mscoree,mshtml=")
            .env_remove("DISPLAY")
            .env_remove("RUST_LOG")
            .stdin(Stdio::null());
        command
    }

    /// Tells Wine's server.
    fn serve(&self, arguments: &[&str]) {
        let mut command = self.std_command(self.server, arguments);
        let _ = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

impl Drop for Wine {
    fn drop(&mut self) {
        self.serve(&["-k", "-w"]);
    }
}
