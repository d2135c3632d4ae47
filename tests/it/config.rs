//! Configuration: layers, what is told of wrong values, and that no secret is ever told.

use std::path::PathBuf;

use kaitsu::{
    app::{
        Config,
        config::{Problem, Sources},
    },
    http::Origins,
};

struct File(PathBuf);

impl File {
    fn new(text: &str) -> Self {
        let name = format!("kaitsu-config-{:08x}.toml", rand::random::<u32>());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).unwrap();
        Self(path)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).ok();
    }
}

fn sources(file: Option<&File>, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> Sources {
    let owned = |text: &str| text.to_owned();
    Sources {
        file: file.map(|file| file.0.clone()),
        environment: environment
            .iter()
            .map(|(name, value)| (owned(name), owned(value)))
            .collect(),
        flags: flags
            .iter()
            .map(|(key, value)| (owned("--set"), owned(key), owned(value)))
            .collect(),
    }
}

fn problems(sources: &Sources) -> Vec<Problem> {
    Config::load(sources).map(drop).unwrap_err().problems
}

fn told(environment: &[(&str, &str)]) -> String {
    let error = Config::load(&sources(None, environment, &[])).unwrap_err();
    format!("{error} {error:?}")
}

#[test]
fn nothing_need_be_set() {
    let config = Config::load(&Sources::default()).unwrap();
    assert_eq!(config.database.url, "sqlite:kaitsu.db?mode=rwc");
    assert_eq!(config.server.listen.port(), 8080);
    assert!(config.graphiql);
}

#[test]
fn flags_go_before_the_environment_and_that_before_the_file() {
    let file = File::new("[limits]\ndepth = 17\nfields = 170\naliases = 7\n");
    let config = Config::load(&sources(
        Some(&file),
        &[
            ("KAITSU_LIMITS__DEPTH", "18"),
            ("KAITSU_LIMITS__FIELDS", "180"),
        ],
        &[("limits.depth", "19")],
    ))
    .unwrap();
    let limits = &config.limits;
    assert_eq!((limits.depth, limits.fields, limits.aliases), (19, 180, 7));
}

#[test]
fn a_database_is_named_as_other_programs_name_it() {
    let common = ("DATABASE_URL", "postgres://common/d");
    let own = ("KAITSU_DATABASE__URL", "postgres://own/d");
    let load = |environment: &[_]| Config::load(&sources(None, environment, &[])).unwrap();
    assert_eq!(load(&[common]).database.url, common.1);
    assert_eq!(load(&[common, own]).database.url, own.1);
    let replica = load(&[common, ("DATABASE_READ_URL", "postgres://replica/d")]);
    assert_eq!(
        replica.database.read_url.as_deref(),
        Some("postgres://replica/d")
    );
}

#[test]
fn every_wrong_value_is_told_at_once_with_its_key_its_source_and_what_was_expected() {
    let file = File::new("[server]\nlisten = 80\nbody_limit = \"ten\"\n");
    let found = problems(&sources(
        Some(&file),
        &[("KAITSU_DATABASE__LOCK_TIMEOUT", "5")],
        &[("log.format", "xml")],
    ));
    let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
    let source = format!("(file {})", file.0.display());
    assert_eq!(
        lines,
        [
            format!(
                "server.listen = \"80\" {source}: expected an address with a port, such as \
                 127.0.0.1:8080 or [::1]:8080"
            ),
            format!(
                "server.body_limit = \"ten\" {source}: expected a size such as 64KiB or 10MiB, from \
                 1KiB to 1GiB"
            ),
            "database.lock_timeout = \"5\" (environment variable KAITSU_DATABASE__LOCK_TIMEOUT): \
             expected a duration such as 500ms, 5s, 10m or 1h, from 1ms to 1h"
                .to_owned(),
            "log.format = \"xml\" (flag --set): expected one of text, json".to_owned(),
        ]
    );
}

#[test]
fn each_kind_of_value_is_checked() {
    for (key, wrong) in [
        ("environment", "staging"),
        ("server.listen", "localhost"),
        ("server.public_url", "kaitsu.example"),
        ("server.public_url", "https://user:password@kaitsu.example"),
        ("server.trusted_proxies", "10.0.0.0/40"),
        ("server.cors_origins", "https://a.example/path"),
        ("server.socket_origins", "*"),
        ("server.graphiql", "yes"),
        ("server.max_connections", "0"),
        ("server.shutdown_grace", "-1s"),
        ("database.url", "mysql://host/name"),
        ("database.url", "postgres://host:port/name"),
        ("database.connections", "2"),
        ("limits.depth", "15"),
        ("limits.page_size", "0"),
        ("auth.access_token_minutes", "1440"),
        ("auth.audience", ""),
        ("mail.url", "http://mail"),
        ("mail.from", "nobody"),
        ("log.filter", "kaitsu=loud=er"),
        ("retention.idempotency_days", "0"),
        ("retention.sheet_days", "0"),
        ("sheets.limit", "1KB"),
        ("sheets.at_once", "0"),
        ("sheets.upload_timeout", "soon"),
    ] {
        let found = problems(&sources(None, &[], &[(key, wrong)]));
        assert_eq!(found.len(), 1, "{key} = {wrong}: {found:?}");
        assert_eq!(found[0].key, key);
        assert!(found[0].message.starts_with("expected "), "{}", found[0]);
    }
}

#[test]
fn a_page_is_allowed_no_more_rows_than_any_list_answers_with() {
    let flags = |rows| [("limits.page_size", rows)];
    let most = Config::load(&sources(None, &[], &flags("100"))).unwrap();
    assert_eq!(most.limits.page_size, 100);
    let found = problems(&sources(None, &[], &flags("101")));
    assert_eq!(
        found[0].to_string(),
        "limits.page_size = \"101\" (flag --set): expected a whole number from 1 to 100"
    );
}

#[test]
fn an_unknown_setting_is_told_with_the_one_that_was_meant() {
    for (given, meant) in [
        ("KAITSU_DATABSE__URL", "database.url"),
        ("KAITSU_SERVER__LISTENS", "server.listen"),
        (
            "KAITSU_DATABASE__STATMENT_TIMEOUT",
            "database.statement_timeout",
        ),
    ] {
        let message = told(&[(given, "1")]);
        assert!(
            message.contains(&format!("did you mean {meant}?")),
            "{message}"
        );
    }
    let message = told(&[("KAITSU_XYZZY__QUUX", "1")]);
    assert!(message.contains("there is no such setting"), "{message}");
    let found = problems(&sources(None, &[], &[("graphiql", "true")]));
    assert!(
        found[0].message.contains("did you mean server.graphiql?"),
        "{}",
        found[0]
    );
    let found = problems(&sources(
        None,
        &[],
        &[("server", "1"), ("server.workers", "2")],
    ));
    let message = found[0].to_string();
    assert!(
        message.contains("server (flag --set): this is a section"),
        "{message}"
    );
}

#[test]
fn names_that_others_put_into_the_environment_are_ignored() {
    let config = Config::load(&sources(
        None,
        &[
            ("KAITSU_PORT", "tcp://10.0.0.7:8080"),
            ("KAITSU_SERVICE_HOST", "10.0.0.7"),
            ("KAITSU_ENVIRONMENT", "development"),
            ("KAITSU_SERVER__WORKERS", "2"),
            ("KAITSU_TEST_POSTGRES_URL", "postgres://test"),
        ],
        &[],
    ))
    .unwrap();
    assert_eq!(config.ignored, ["KAITSU_PORT", "KAITSU_SERVICE_HOST"]);
    assert_eq!(config.server.workers, 2);
    assert!(config.is_given("environment") && !config.is_given("database.url"));
}

#[test]
fn settings_must_fit_together() {
    let found = problems(&sources(None, &[], &[("environment", "production")]));
    assert_eq!(found[0].key, "server.public_url");
    let found = problems(&sources(None, &[], &[("mail.url", "smtps://mail.example")]));
    assert_eq!(found[0].key, "mail.from");
    let replica = ("database.read_url", "postgres://replica/d");
    let found = problems(&sources(None, &[], &[replica]));
    assert_eq!(found[0].key, "database.read_url");
    let found = problems(&sources(None, &[], &[("database.lock_timeout", "31s")]));
    assert_eq!(found[0].key, "database.lock_timeout");
}

#[test]
fn graphiql_is_off_in_production_unless_asked_for() {
    let production = ("environment", "production");
    let url = ("server.public_url", "https://kaitsu.example/");
    let config = Config::load(&sources(None, &[], &[production, url])).unwrap();
    assert!(!config.graphiql && config.server.secure);
    assert_eq!(config.auth.issuer, "https://kaitsu.example");
    let on = ("server.graphiql", "true");
    assert!(
        Config::load(&sources(None, &[], &[production, url, on]))
            .unwrap()
            .graphiql
    );
}

#[test]
fn lists_are_written_with_commas_or_as_arrays() {
    let file =
        File::new("[server]\nsocket_origins = [\"https://a.example\", \"https://b.example\"]\n");
    let proxies = ("KAITSU_SERVER__TRUSTED_PROXIES", "10.0.0.0/8, fd00::/8");
    let config = Config::load(&sources(Some(&file), &[proxies], &[])).unwrap();
    assert_eq!(config.endpoint.proxies.networks.len(), 2);
    let both = vec![
        "https://a.example".to_owned(),
        "https://b.example".to_owned(),
    ];
    assert_eq!(config.endpoint.socket.origins, Origins::Listed(both));
}

#[test]
fn no_secret_is_ever_told() {
    let secret = "hunter2";
    let database = format!("postgres://kaitsu:{secret}@db.example/kaitsu");
    let mail = format!("smtps://kaitsu:{secret}@mail.example");
    let good = sources(
        None,
        &[
            ("DATABASE_URL", &database),
            ("DATABASE_READ_URL", &database),
            ("KAITSU_MAIL__URL", &mail),
            ("KAITSU_MAIL__FROM", "no-reply@kaitsu.example"),
        ],
        &[],
    );
    let config = Config::load(&good).unwrap();
    let shown = format!("{config:?} {config:#?} {}", config.effective());
    assert!(
        shown.contains("postgres://kaitsu:***@db.example/kaitsu"),
        "{shown}"
    );
    assert!(!shown.contains(secret), "{shown}");

    for wrong in [
        told(&[("DATABASE_URL", &format!("mysql://kaitsu:{secret}@db"))]),
        told(&[("KAITSU_MAIL__URL", &format!("imap://kaitsu:{secret}@mail"))]),
        told(&[("KAITSU_DATABSE__URL", &database)]),
        told(&[("KAITSU_SERVER__PUBLIC_URL__X", &database)]),
    ] {
        assert!(!wrong.contains(secret), "{wrong}");
    }
    let file = File::new(&format!("[database]\nurl = \"{database}\n"));
    let found = problems(&sources(Some(&file), &[], &[]));
    assert!(found[0].message.contains("line 2"), "{}", found[0]);
    assert!(!format!("{found:?}").contains(secret), "{found:?}");
}

#[test]
fn the_effective_configuration_is_itself_a_configuration() {
    let original = Config::load(&sources(None, &[], &[("limits.depth", "33")])).unwrap();
    let file = File::new(&original.effective());
    let again = Config::load(&sources(Some(&file), &[], &[])).unwrap();
    assert_eq!(again.limits.depth, 33);
    assert_eq!(
        format!("{:?}", again.server),
        format!("{:?}", original.server)
    );
}

#[test]
fn a_file_that_is_named_must_be_there() {
    let named = Sources {
        file: Some(PathBuf::from("/nonexistent/kaitsu.toml")),
        ..Sources::default()
    };
    assert_eq!(problems(&named)[0].message, "there is no such file");
}
