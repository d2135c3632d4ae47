//! The built binary as a process of its own, on a database of the test, in a folder of its own. It is ended
//! with the value.

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::mpsc,
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

/// Runs a command to its end, which must come soon.
pub fn run(database_url: &str, arguments: &[&str]) -> Output {
    let (mut command, folder) = command(database_url, arguments);
    let mut child = command.spawn().unwrap();
    let until = Instant::now() + PATIENCE;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > until {
            child.kill().unwrap();
            panic!("{arguments:?} does not end");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    std::fs::remove_dir_all(folder).ok();
    output
}

impl Process {
    /// Starts a command and waits for the line by which it says that it is ready.
    pub fn start(database_url: &str, arguments: &[&str]) -> Self {
        let (mut command, folder) = command(database_url, arguments);
        command.stderr(Stdio::inherit());
        let mut child = command.spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        let mut process = Self {
            address: String::new(),
            child,
            folder,
        };
        let (told, first) = mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            BufReader::new(stdout).read_line(&mut line).ok();
            told.send(line).ok();
        });
        let line = first.recv_timeout(PATIENCE).expect("it says nothing");
        let address = line.trim().trim_start_matches("listening on http://");
        assert!(!address.is_empty(), "the process ended at once");
        address.clone_into(&mut process.address);
        process
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
        std::fs::remove_dir_all(&self.folder).ok();
    }
}
