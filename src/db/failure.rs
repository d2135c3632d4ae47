//! What a failure of the database means to whoever asked for something. It is told by the code that each
//! database gives it, never by its text, which comes in the language of the server.

use sea_orm::{DbErr, RuntimeErr, SqlErr, sqlx};

/// Is this error a violated unique constraint?
pub fn is_unique_violation(error: &DbErr) -> bool {
    matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_)))
}

/// Did the database fail us for now, so that the same request may succeed later? It is away, starting or
/// stopping, has no room, or somebody else held for too long what was needed.
pub fn is_transient(error: &DbErr) -> bool {
    match error {
        // There was no connection to be had.
        DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => true,
        DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error)) => {
            is_transient_in_sqlx(error)
        }
        _ => false,
    }
}

fn is_transient_in_sqlx(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(error) => {
            let code = error.code().unwrap_or_default();
            match error.try_downcast_ref::<sqlx::sqlite::SqliteError>() {
                Some(_) => is_transient_in_sqlite(&code),
                None => is_transient_in_postgres(&code),
            }
        }
        _ => false,
    }
}

/// By the primary result code, which is the last byte of the extended one that sqlx gives
/// (<https://sqlite.org/rescode.html>): BUSY, LOCKED, IOERR, FULL.
fn is_transient_in_sqlite(code: &str) -> bool {
    code.parse::<i32>()
        .is_ok_and(|code| matches!(code & 0xff, 5 | 6 | 10 | 13))
}

/// By SQLSTATE (<https://www.postgresql.org/docs/current/errcodes-appendix.html>): a connection that broke (08), no
/// room (53), a server that stops, starts or was switched over (57P), a statement that ran out of time (57014), a
/// session that was idle for too long (25P03), a lock that was not to be had in time (55P03), a deadlock (40P01) and
/// a transaction that can't be put in order with others (40001).
fn is_transient_in_postgres(code: &str) -> bool {
    ["08", "53", "57P"]
        .iter()
        .any(|class| code.starts_with(class))
        || matches!(code, "57014" | "25P03" | "55P03" | "40P01" | "40001")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_succeed_later_is_told_from_what_never_will() {
        for code in [
            "57P01", "57P03", "57014", "55P03", "40P01", "40001", "53300", "08006",
        ] {
            assert!(is_transient_in_postgres(code), "{code}");
        }
        for code in ["23505", "22021", "42P01", "XX000", ""] {
            assert!(!is_transient_in_postgres(code), "{code}");
        }
        // 517 is BUSY_SNAPSHOT, 778 an IOERR while writing.
        for code in ["5", "6", "10", "13", "517", "778"] {
            assert!(is_transient_in_sqlite(code), "{code}");
        }
        // 1 is ERROR, 11 CORRUPT, 1555 a primary key that is taken.
        for code in ["1", "11", "1555", ""] {
            assert!(!is_transient_in_sqlite(code), "{code}");
        }
    }
}
