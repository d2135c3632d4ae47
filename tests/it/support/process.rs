//! The built binary as a process of its own, on a database of the test, in a folder of its own. It is ended
//! with the value.

use std::{
    io::{BufRead, BufReader, Read},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Output, Stdio},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// How long anything here may take.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A process that runs.
pub struct Process {
    child: Child,
    folder: PathBuf,
    /// Where it listens, if it does: host and port.
    pub address: String,
}

fn command(database_url: &str, arguments: &[&str]) -> (Command, PathBuf) {
    let folder = std::env::temp_dir().join(format!(
        "kaitsu-process-{}-{:08x}",
        std::process::id(),
        rand::random::<u32>()
    ));
    std::fs::create_dir_all(&folder).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_kaitsu"));
    command
        .args(arguments)
        .env_clear()
        .env("DATABASE_URL", database_url)
        .current_dir(&folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    (command, folder)
}

/// Runs a command to its end.
pub fn run(database_url: &str, arguments: &[&str]) -> Output {
    let (mut command, folder) = command(database_url, arguments);
    let output = command.output().unwrap();
    std::fs::remove_dir_all(folder).ok();
    output
}

/// Runs a command to its end in an environment that holds nothing but this.
pub fn run_in(environment: &[(&str, &str)], arguments: &[&str]) -> Output {
    let (mut command, folder) = command("", arguments);
    let environment = environment.iter().copied();
    let output = command.env_clear().envs(environment).output().unwrap();
    std::fs::remove_dir_all(folder).ok();
    output
}

impl Process {
    /// Starts a command and waits for the line by which it says that it is ready.
    pub fn start(database_url: &str, arguments: &[&str]) -> Self {
        let (mut command, folder) = command(database_url, arguments);
        command.stderr(Stdio::inherit());
        Self::ready(command, folder)
    }

    fn ready(mut command: Command, folder: PathBuf) -> Self {
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let address = line.trim().trim_start_matches("listening on http://");
        assert!(!address.is_empty(), "the process ended at once");
        Self {
            address: address.to_owned(),
            child,
            folder,
        }
    }

    /// Starts a command and leaves it to itself.
    pub fn spawn(database_url: &str, arguments: &[&str]) -> Self {
        let (mut command, folder) = command(database_url, arguments);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Self {
            address: String::new(),
            child: command.spawn().unwrap(),
            folder,
        }
    }

    /// Starts a server on a port of its own.
    pub fn serve(database_url: &str) -> Self {
        let quiet = ["--set", "log.filter=error"];
        let serve = ["serve", "--listen", "127.0.0.1:0"];
        Self::start(database_url, &[&serve[..], &quiet[..]].concat())
    }

    /// Starts a server that is told when a file may not grow, instead of being ended by it. It turns nobody away
    /// for waiting long, so that whoever is turned away has met that limit.
    pub fn serve_within_limits(database_url: &str) -> Self {
        let (command, folder) = command(
            database_url,
            &[
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--set",
                "database.acquire_timeout=30s",
                "--set",
                "log.filter=off",
            ],
        );
        let mut shell = Command::new("/bin/sh");
        shell
            .args(["-c", r#"trap '' XFSZ; exec "$0" "$@""#])
            .arg(command.get_program())
            .args(command.get_args())
            .env_clear()
            .env("DATABASE_URL", database_url)
            .current_dir(&folder)
            .stdout(Stdio::piped());
        Self::ready(shell, folder)
    }

    /// From now on no file of the process may grow beyond so many bytes; `None` lifts the limit.
    pub fn limit_files(&self, bytes: Option<u64>) {
        let soft = bytes.map_or("unlimited".to_owned(), |bytes| bytes.to_string());
        let limited = Command::new("prlimit")
            .arg(format!("--pid={}", self.child.id()))
            .arg(format!("--fsize={soft}:unlimited"))
            .status()
            .unwrap();
        assert!(limited.success());
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> ExitStatus {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < until, "the process does not end");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Asks whether it is ready until the answer has this status and this in it, and returns the answer. A single
    /// answer proves little: a busy database may be too late for it.
    pub async fn readiness(&self, status: u16, holding: &str) -> String {
        let wanted = format!("HTTP/1.1 {status} ");
        let until = Instant::now() + PATIENCE;
        loop {
            let answer = self.get("/health/ready").await;
            if answer.starts_with(&wanted) && answer.contains(holding) {
                return answer;
            }
            assert!(
                answer.starts_with("HTTP/1.1 200 ") || answer.starts_with("HTTP/1.1 503 "),
                "{answer}"
            );
            assert!(
                Instant::now() < until,
                "readiness does not become {status} {holding}: {answer}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Asks for a path and returns the whole answer, head and body.
    pub async fn get(&self, path: &str) -> String {
        let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
        self.exchange(&request).await
    }

    /// Sends exactly these bytes and reads until the connection is closed.
    pub async fn exchange(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        read_all(&mut stream).await
    }
}

/// Reads until the other side has nothing more to say.
pub async fn read_all(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes))
        .await
        .expect("no answer")
        .unwrap();
    String::from_utf8(bytes).unwrap()
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        if let Some(mut rest) = self.child.stderr.take() {
            rest.read_to_string(&mut String::new()).ok();
        }
        std::fs::remove_dir_all(&self.folder).ok();
    }
}
