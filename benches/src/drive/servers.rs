//! Starting and stopping what is measured.

use std::{
    fs::File,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use kaitsu::demo::Scale;

use super::{http, process::Process};
use crate::Failure;

/// A server that runs; it is killed when this is dropped.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// From the start of the process to the first answer.
    pub first_answer: Duration,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// Where the two programs are, and what both get.
#[derive(Clone, Debug)]
pub struct Programs {
    /// `kaitsu`
    pub kaitsu: PathBuf,
    /// `floor`
    pub floor: PathBuf,
    /// Most connections to the database.
    pub connections: u32,
    /// Threads that answer requests.
    pub workers: usize,
    /// Where logs go.
    pub folder: PathBuf,
}

impl Programs {
    /// Serves Kaitsu.
    ///
    /// # Errors
    /// It does not start.
    pub fn serve_kaitsu(&self, database: &str) -> Result<Server, Failure> {
        let address = free_address()?;
        let mut command = Command::new(&self.kaitsu);
        command
            .arg("serve")
            .arg(format!("--listen={address}"))
            .env("DATABASE_URL", database)
            .env("KAITSU_DATABASE__CONNECTIONS", self.connections.to_string())
            .env("KAITSU_SERVER__WORKERS", self.workers.to_string())
            .env("KAITSU_MAIL__URL", "memory:");
        let question = r#"{"query":"{__typename}"}"#;
        self.start(
            command,
            "kaitsu.log",
            address,
            ("POST", "/graphql", question),
        )
    }

    /// Serves the floor.
    ///
    /// # Errors
    /// It does not start.
    pub fn serve_floor(&self, database: &str) -> Result<Server, Failure> {
        let address = free_address()?;
        let mut command = Command::new(&self.floor);
        command
            .arg(format!("--listen={address}"))
            .arg(format!("--connections={}", self.connections))
            .arg(format!("--workers={}", self.workers))
            .env("DATABASE_URL", database);
        self.start(command, "floor.log", address, ("GET", "/facility/0", ""))
    }

    /// Loads the demo as its users do, accounts included, into a database, or into SQLite in a folder.
    /// Answers how long that took.
    ///
    /// # Errors
    /// It fails.
    pub fn load(
        &self,
        scale: Scale,
        folder: &Path,
        database: Option<&str>,
    ) -> Result<Duration, Failure> {
        let mut command = Command::new(&self.kaitsu);
        command
            .args(["demo", "--load-only"])
            .arg(format!("--scale={scale}"))
            .arg("--dir")
            .arg(folder)
            .env_remove("DATABASE_URL")
            .stdin(Stdio::null());
        if let Some(database) = database {
            command.env("DATABASE_URL", database);
        }
        let started = Instant::now();
        let output = command.output()?;
        if !output.status.success() {
            return Err(format!("kaitsu demo: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        Ok(started.elapsed())
    }

    /// Builds the totals of a database anew, after its history was changed by hand.
    ///
    /// # Errors
    /// It can't run. What else is then found to be wrong is not looked at.
    pub fn rebuild_totals(&self, database: &str) -> Result<(), Failure> {
        Command::new(&self.kaitsu)
            .args(["verify", "--rebuild-totals", "--format", "json"])
            .env("DATABASE_URL", database)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .output()?;
        Ok(())
    }

    fn start(
        &self,
        mut command: Command,
        log: &str,
        address: SocketAddr,
        (method, path, body): (&str, &str, &str),
    ) -> Result<Server, Failure> {
        let log = self.folder.join(log);
        let started = Instant::now();
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .current_dir(&self.folder)
            .spawn()
            .map_err(|error| format!("{command:?}: {error}"))?;
        let mut server = Server {
            child,
            address,
            first_answer: Duration::ZERO,
        };
        while http::send(address, method, path, "", body).is_err() {
            if started.elapsed() > Duration::from_secs(60) || server.child.try_wait()?.is_some() {
                return Err(format!("no server: {}", tail(&log)).into());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        server.first_answer = started.elapsed();
        Ok(server)
    }
}

impl Server {
    /// Its process.
    pub fn process(&self) -> Process {
        Process(self.child.id())
    }
}

fn free_address() -> Result<SocketAddr, Failure> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let skipped = text.lines().count().saturating_sub(20);
    text.lines().skip(skipped).collect::<Vec<_>>().join("\n")
}
