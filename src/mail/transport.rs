//! Where mails go: to an SMTP server, as `.eml` files into a folder, or, in tests, into memory. The URL
//! of the configuration says which: `smtp://user:password@host:587?tls=required`, `smtps://host`,
//! `file:DIR`, `memory:`.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor, transport::smtp::PoolConfig,
};

/// Connections kept to the server. lettre writes a message in two pieces on a socket that waits for the
/// first to be acknowledged (some 40 ms), so several at once are needed for any speed.
pub const SMTP_CONNECTIONS: u32 = 8;
/// How long the server may be silent.
const SMTP_TIMEOUT: Duration = Duration::from_secs(30);

/// What became of a mail that was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The server said no for now (4xx), or could not be reached: try again.
    #[error("not accepted for now: {0}")]
    Temporary(String),
    /// The server said no for good (5xx), or the mail can't be written.
    #[error("refused: {0}")]
    Permanent(String),
    /// The connection ended while we waited for the answer: it may have been accepted.
    #[error("outcome unknown: {0}")]
    Uncertain(String),
}

/// A URL that names no transport.
#[derive(Debug, thiserror::Error)]
pub enum TransportUrlError {
    /// The scheme is none of ours. The URL isn't shown: it may hold a password.
    #[error("the mail URL must begin with smtp://, smtps://, file: or memory:")]
    UnknownScheme,
    /// The SMTP library can't read it.
    #[error("the mail URL is not valid")]
    Invalid,
}

/// Hands mails on.
#[derive(Clone, Debug)]
pub enum Transport {
    /// To a server, over pooled connections.
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
    /// One `.eml` file for each mail, named by its Message-ID.
    Directory(PathBuf),
    /// Kept for a test to read.
    Memory(Arc<Mutex<Vec<Message>>>),
}

impl Transport {
    /// Reads the configuration's URL. Connects to nothing yet.
    pub fn from_url(url: &str) -> Result<Self, TransportUrlError> {
        if url == "memory:" {
            return Ok(Self::Memory(Arc::default()));
        }
        if let Some(directory) = url.strip_prefix("file:") {
            return Ok(Self::Directory(PathBuf::from(directory)));
        }
        if !url.starts_with("smtp://") && !url.starts_with("smtps://") {
            return Err(TransportUrlError::UnknownScheme);
        }
        let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url)
            .map_err(|_| TransportUrlError::Invalid)?;
        let pool = PoolConfig::new().max_size(SMTP_CONNECTIONS);
        Ok(Self::Smtp(
            builder
                .pool_config(pool)
                .timeout(Some(SMTP_TIMEOUT))
                .build(),
        ))
    }

    /// Hands one mail on.
    pub async fn send(&self, message_id: &str, message: Message) -> Result<(), TransportError> {
        match self {
            Self::Smtp(server) => server
                .send(message)
                .await
                .map(|_| ())
                .map_err(|error| classify(&error)),
            Self::Directory(directory) => write_file(directory, message_id, &message)
                .await
                .map_err(|error| TransportError::Temporary(error.to_string())),
            Self::Memory(messages) => {
                messages
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(message);
                Ok(())
            }
        }
    }

    /// What was handed to the memory transport so far.
    pub fn remembered(&self) -> Vec<Message> {
        match self {
            Self::Memory(messages) => messages
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
            Self::Smtp(_) | Self::Directory(_) => Vec::new(),
        }
    }
}

/// Written beside and renamed, so that no reader sees half a file.
async fn write_file(
    directory: &std::path::Path,
    message_id: &str,
    message: &Message,
) -> std::io::Result<()> {
    tokio::fs::create_dir_all(directory).await?;
    let unfinished = directory.join(format!(".{message_id}.part"));
    tokio::fs::write(&unfinished, message.formatted()).await?;
    tokio::fs::rename(unfinished, directory.join(format!("{message_id}.eml"))).await
}

/// lettre tells answers from broken connections, but not at which line one broke.
fn classify(error: &lettre::transport::smtp::Error) -> TransportError {
    let text = error.to_string();
    if error.is_permanent() || error.is_client() {
        TransportError::Permanent(text)
    } else if error.is_transient() || error.is_tls() || never_connected(error) {
        TransportError::Temporary(text)
    } else {
        TransportError::Uncertain(text)
    }
}

fn never_connected(error: &lettre::transport::smtp::Error) -> bool {
    use std::io::ErrorKind;
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if let Some(io) = cause.downcast_ref::<std::io::Error>() {
            return matches!(
                io.kind(),
                ErrorKind::ConnectionRefused
                    | ErrorKind::HostUnreachable
                    | ErrorKind::NetworkUnreachable
                    | ErrorKind::NotFound
            );
        }
        source = cause.source();
    }
    error.to_string().starts_with("Connection error")
}
