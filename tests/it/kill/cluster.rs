//! A PostgreSQL server of a test's own, which the test may stop and start.

use std::{
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

/// A PostgreSQL server. It is stopped and its data are removed with the value.
pub struct Cluster {
    folder: PathBuf,
    programs: PathBuf,
    port: u16,
}

impl Cluster {
    /// Makes a cluster and starts it.
    pub fn start() -> Self {
        let name = format!("kaitsu-cluster-{:016x}", rand::random::<u64>());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir(&folder).unwrap();
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).unwrap();
        if is_root() {
            must(Command::new("chown").arg("postgres").arg(&folder));
        }
        let mut cluster = Self {
            folder,
            programs: programs(),
            port: 0,
        };
        must(
            cluster
                .program("initdb")
                .args(["--username=postgres", "--auth=trust", "--encoding=UTF8"])
                .args(["--locale=C", "--no-sync", "--pgdata"])
                .arg(cluster.data()),
        );
        // Somebody else may take a port before the server does.
        for _ in 0..5 {
            cluster.port = free_port();
            if succeeds(&mut cluster.starting()) {
                return cluster;
            }
        }
        let log = std::fs::read_to_string(cluster.log()).unwrap_or_default();
        panic!("PostgreSQL does not start:\n{log}");
    }

    /// The URL of its one database.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Starts it again, and waits until it answers.
    pub fn resume(&self) {
        must(&mut self.starting());
    }

    /// The command that starts it, and waits until it answers.
    fn starting(&self) -> Command {
        // What was committed is handed to the system at once: it outlives the server, if not the machine.
        let settings = format!(
            "-c port={} -c listen_addresses=127.0.0.1 -c unix_socket_directories={} -c max_connections=60 \
             -c fsync=off -c shared_buffers=32MB",
            self.port,
            self.folder.display()
        );
        let mut command = self.control("start");
        command
            .args(["--wait", "--timeout=60", "--options", &settings, "--log"])
            .arg(self.log());
        command
    }

    /// Stops it: `fast` as an operator does, or `immediate` as if it crashed.
    pub fn stop(&self, mode: &str) {
        must(self.control("stop").args(["--wait", "--mode", mode]));
    }

    fn log(&self) -> PathBuf {
        self.folder.join("server.log")
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn control(&self, action: &str) -> Command {
        let mut command = self.program("pg_ctl");
        command
            .arg(action)
            .args(["--silent", "--pgdata"])
            .arg(self.data());
        command
    }

    /// A program of PostgreSQL, which refuses to run as root.
    fn program(&self, name: &str) -> Command {
        let program = self.programs.join(name);
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir("/").env("LC_ALL", "C");
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.control("stop")
            .args(["--mode", "immediate"])
            .output()
            .ok();
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

/// The folder of the newest programs that are installed.
fn programs() -> PathBuf {
    let has_all =
        |folder: &PathBuf| folder.join("pg_ctl").exists() && folder.join("initdb").exists();
    let version = |folder: &PathBuf| {
        let name = folder.parent()?.file_name()?.to_str()?;
        name.parse::<u32>().ok()
    };
    let debian = std::fs::read_dir(Path::new("/usr/lib/postgresql"));
    let mut folders: Vec<PathBuf> = debian
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path().join("bin"))
        .filter(has_all)
        .collect();
    folders.sort_by_key(version);
    let on_path = || std::env::split_paths(&std::env::var_os("PATH")?).find(has_all);
    folders
        .pop()
        .or_else(on_path)
        .expect("the programs of PostgreSQL must be installed")
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout == b"0\n"
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Runs a command without our pipes, which the server that it starts would keep open.
fn succeeds(command: &mut Command) -> bool {
    let ended = command
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap();
    ended.success()
}

fn must(command: &mut Command) {
    assert!(succeeds(command), "{command:?}");
}
