//! The outbox: what is accepted is sent, and what a server says decides what happens next.

use std::sync::{Arc, Mutex};

use chrono::TimeDelta;
use kaitsu::{
    auth::Language,
    db::Backend,
    mail::{Delivered, Envelope, Template, Transport, deliver_due, enqueue, entity::lease_due},
};
use rstest::rstest;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
};

use crate::support::accounts::{World, sender};

async fn put(world: &World, recipient: &str) {
    let envelope = Envelope {
        recipient,
        language: Language::Ja,
        template: Template::PasswordReset,
        variables: serde_json::json!({
            "link": "https://kaitsu.example.jp/password-reset#ktl_secret",
            "expires_at": "2021-12-19 10:00",
        }),
    };
    let transaction = world.db().begin().await.unwrap();
    enqueue(&transaction, &envelope, world.clock.now())
        .await
        .unwrap();
    transaction.commit().await.unwrap();
}

async fn deliver(world: &World, transport: &Transport) -> Delivered {
    deliver_due(world.db(), transport, &sender(), &world.clock, 10)
        .await
        .unwrap()
}

const SENT: Delivered = Delivered {
    sent: 1,
    postponed: 0,
    failed: 0,
};
const POSTPONED: Delivered = Delivered {
    sent: 0,
    postponed: 1,
    failed: 0,
};
const FAILED: Delivered = Delivered {
    sent: 0,
    postponed: 0,
    failed: 1,
};
const NOTHING: Delivered = Delivered {
    sent: 0,
    postponed: 0,
    failed: 0,
};

/// An SMTP server that gives these answers to DATA's end, one for each connection or message, and keeps
/// what it was sent. `""` hangs up instead of answering.
async fn server(answers: Vec<&'static str>) -> (Transport, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let received = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&received);
    tokio::spawn(async move {
        let mut answers = answers.into_iter();
        while let Ok((stream, _)) = listener.accept().await {
            let (reading, mut writing) = stream.into_split();
            let mut lines = BufReader::new(reading).lines();
            writing.write_all(b"220 ready\r\n").await.ok();
            let mut body: Option<String> = None;
            while let Ok(Some(line)) = lines.next_line().await {
                let answer = match &mut body {
                    Some(text) if line == "." => {
                        kept.lock().unwrap().push(std::mem::take(text));
                        body = None;
                        answers.next().unwrap_or("250 ok")
                    }
                    Some(text) => {
                        text.push_str(&line);
                        text.push('\n');
                        continue;
                    }
                    None if line == "DATA" => {
                        body = Some(String::new());
                        "354 go on"
                    }
                    None if line.starts_with("EHLO") => "250 here",
                    None if line == "QUIT" => "221 bye",
                    None => "250 ok",
                };
                if answer.is_empty() {
                    break;
                }
                writing
                    .write_all(format!("{answer}\r\n").as_bytes())
                    .await
                    .ok();
            }
        }
    });
    let transport = Transport::from_url(&format!("smtp://127.0.0.1:{port}")).unwrap();
    (transport, received)
}

#[rstest]
#[tokio::test]
async fn a_mail_is_sent_once_and_then_forgets_what_it_said(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::new(backend).await;
    put(&world, "taro@example.jp").await;
    let (transport, received) = server(vec!["250 ok"]).await;
    assert_eq!(deliver(&world, &transport).await, SENT);
    assert_eq!(deliver(&world, &transport).await, NOTHING);
    let received = received.lock().unwrap().clone();
    assert_eq!(received.len(), 1);
    assert!(received[0].contains("To: taro@example.jp"));
    assert!(received[0].contains("Auto-Submitted: auto-generated"));
    assert!(received[0].contains("@kaitsu.example.jp>"));
    assert!(received[0].contains("Date: Sun, 19 Dec 2021"));
    assert_eq!(
        world.database.text("SELECT content FROM mail_outbox").await,
        "{}"
    );
}

#[rstest]
#[tokio::test]
async fn a_refusal_for_now_is_asked_again_later_under_the_same_message_id(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::new(backend).await;
    put(&world, "taro@example.jp").await;
    let (transport, received) = server(vec!["451 later", "250 ok"]).await;
    assert_eq!(deliver(&world, &transport).await, POSTPONED);
    assert_eq!(deliver(&world, &transport).await, NOTHING, "not at once");
    world.pass(TimeDelta::seconds(30));
    assert_eq!(deliver(&world, &transport).await, SENT);
    let ids: Vec<String> = received
        .lock()
        .unwrap()
        .iter()
        .map(|mail| {
            let line = mail.lines().find(|line| line.starts_with("Message-ID"));
            line.unwrap().to_owned()
        })
        .collect();
    assert_eq!(ids.len(), 2);
    assert_eq!(ids[0], ids[1]);
}

#[rstest]
#[tokio::test]
async fn a_refusal_for_good_is_a_failure_that_stays_to_be_seen(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::new(backend).await;
    put(&world, "taro@example.jp").await;
    let (transport, _) = server(vec!["550 no such mailbox"]).await;
    assert_eq!(deliver(&world, &transport).await, FAILED);
    assert_eq!(
        world.database.number("SELECT state FROM mail_outbox").await,
        2
    );
    let error = world
        .database
        .text("SELECT last_error FROM mail_outbox")
        .await;
    assert!(error.contains("550"), "{error}");
}

#[rstest]
#[tokio::test]
async fn a_server_that_hangs_up_after_the_mail_leaves_it_uncertain_and_it_is_sent_again(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::new(backend).await;
    put(&world, "taro@example.jp").await;
    let (transport, received) = server(vec!["", "250 ok"]).await;
    assert_eq!(deliver(&world, &transport).await, POSTPONED);
    assert_eq!(
        world.database.number("SELECT state FROM mail_outbox").await,
        4
    );
    world.pass(TimeDelta::minutes(1));
    assert_eq!(deliver(&world, &transport).await, SENT);
    assert_eq!(received.lock().unwrap().len(), 2);
}

#[rstest]
#[tokio::test]
async fn a_server_that_is_away_is_tried_for_two_days(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::new(backend).await;
    put(&world, "taro@example.jp").await;
    let away = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().port()
    };
    let transport = Transport::from_url(&format!("smtp://127.0.0.1:{away}")).unwrap();
    assert_eq!(deliver(&world, &transport).await, POSTPONED);
    assert_eq!(
        world.database.number("SELECT state FROM mail_outbox").await,
        0
    );
    for _ in 0..11 {
        world.pass(TimeDelta::hours(4));
        assert_eq!(deliver(&world, &transport).await, POSTPONED);
    }
    world.pass(TimeDelta::hours(5));
    assert_eq!(deliver(&world, &transport).await, FAILED);
}

#[rstest]
#[tokio::test]
async fn a_mail_whose_worker_died_is_uncertain_and_sent_again(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = World::new(backend).await;
    put(&world, "taro@example.jp").await;
    let now = world.clock.now();
    let leased = lease_due(world.db().write(), now, now + TimeDelta::minutes(5), 10).await;
    assert_eq!(leased.unwrap().len(), 1);
    let memory = Transport::from_url("memory:").unwrap();
    assert_eq!(deliver(&world, &memory).await, NOTHING, "it is leased");
    world.pass(TimeDelta::minutes(5));
    let later = world.clock.now();
    lease_due(world.db().write(), later, later, 10)
        .await
        .unwrap();
    assert_eq!(
        world.database.number("SELECT state FROM mail_outbox").await,
        4
    );
    assert_eq!(deliver(&world, &memory).await, SENT);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_workers_send_each_mail_once(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let world = Arc::new(World::new(backend).await);
    for number in 0..50 {
        put(&world, &format!("user{number}@example.jp")).await;
    }
    let memory = Transport::from_url("memory:").unwrap();
    let workers: Vec<_> = (0..4)
        .map(|_| {
            let world = Arc::clone(&world);
            let memory = memory.clone();
            tokio::spawn(async move { while deliver(&world, &memory).await != NOTHING {} })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
    let mut recipients: Vec<String> = memory
        .remembered()
        .iter()
        .map(|mail| mail.envelope().to()[0].to_string())
        .collect();
    recipients.sort();
    let all = recipients.len();
    recipients.dedup();
    assert_eq!((all, recipients.len()), (50, 50));
}

#[tokio::test]
async fn a_folder_holds_one_file_for_each_mail() {
    let world = World::new(Backend::Sqlite).await;
    put(&world, "taro@example.jp").await;
    let folder = std::env::temp_dir().join(format!("kaitsu-mail-{}", std::process::id()));
    let transport = Transport::from_url(&format!("file:{}", folder.display())).unwrap();
    assert_eq!(deliver(&world, &transport).await, SENT);
    let files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(files.len(), 1);
    assert_eq!(files[0].extension().unwrap(), "eml");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_mail_url_that_is_none_is_refused_without_being_shown() {
    for url in [
        "",
        "http://user:hunter2@example.jp",
        "smtp:/x",
        "smtp://[",
        "memory",
    ] {
        let error = Transport::from_url(url).unwrap_err();
        assert!(!error.to_string().contains("hunter2"));
    }
}
