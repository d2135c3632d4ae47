//! `kaitsu demo`

use std::{
    error::Error,
    io::Write,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use kaitsu::{
    app::{self, Config, Services, accounts},
    auth::{
        Language, OrganisationKind, Role,
        service::{NewMember, UserCreate},
    },
    db::{Database, migrations, schema},
    demo::{self, Scale},
};

use super::{
    Outcome,
    configuration::{CLOCK, ConfigurationOptions, start_log},
    progress, tell,
};

#[derive(Args)]
pub struct Options {
    /// Keep the database and the mails in this folder
    #[arg(long, value_name = "DIR", default_value = "kaitsu-demo")]
    dir: PathBuf,
    /// This part of the national data, from 0.001 to 10, where 1 is all of it
    #[arg(long, value_name = "F", default_value = "1")]
    scale: Scale,
    /// Listen here; port 0 lets the system choose
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: String,
    /// Load the data and end
    #[arg(long)]
    load_only: bool,
}

/// The password of every account of a demo, which is nobody's secret.
const PASSWORD: &str = "kaitsu-demo-2021";

/// One account for each kind of user: address, name, organisation and role.
const ACCOUNTS: [(&str, &str, OrganisationKind, Role); 9] = [
    (
        "coordinator@demo.example.jp",
        "Ministry coordinator",
        OrganisationKind::Ministry,
        Role::Admin,
    ),
    (
        "bureau@demo.example.jp",
        "Regional coordinator",
        OrganisationKind::RegionalBureau,
        Role::Admin,
    ),
    (
        "fund@demo.example.jp",
        "Payment Fund officer",
        OrganisationKind::PaymentFund,
        Role::Admin,
    ),
    (
        "vendor@demo.example.jp",
        "Vendor staff",
        OrganisationKind::Vendor,
        Role::Admin,
    ),
    (
        "contractor@demo.example.jp",
        "Support contractor",
        OrganisationKind::SupportContractor,
        Role::Admin,
    ),
    (
        "chain@demo.example.jp",
        "Chain head office",
        OrganisationKind::Chain,
        Role::Admin,
    ),
    (
        "facility@demo.example.jp",
        "A facility",
        OrganisationKind::Facility,
        Role::Admin,
    ),
    (
        "supplier@demo.example.jp",
        "Supplier",
        OrganisationKind::Supplier,
        Role::Admin,
    ),
    (
        "auditor@demo.example.jp",
        "Auditor",
        OrganisationKind::Auditor,
        Role::Viewer,
    ),
];

/// The database is somebody's, and no demo.
#[derive(Debug, thiserror::Error)]
#[error("this database holds something that is no demo; it is left alone")]
struct NotADemo;

pub async fn run(configuration: &ConfigurationOptions, options: Options) -> Outcome {
    std::fs::create_dir_all(&options.dir)?;
    let config = configure(configuration, &options)?;
    start_log(&config, &config.log)?;
    let database = Database::connect(&config.database).await?;
    prepare(&database, options.scale).await?;
    let auth = accounts::open(&config, &Services::new(database.clone(), CLOCK)).await?;
    let organisations = ensure_accounts(&database, &auth).await?;
    database.close().await?;
    print_accounts(&organisations)?;
    if options.load_only {
        return Ok(ExitCode::SUCCESS);
    }
    app::serve(&config, |address| {
        let _unread = writeln!(
            std::io::stdout(),
            "GraphQL   http://{address}/graphql\nGraphiQL  http://{address}/graphiql\n\
             listening on http://{address}"
        );
    })
    .await?;
    Ok(ExitCode::SUCCESS)
}

/// The demo's own settings. Its database is in its folder and its mails point to where it listens, unless a person
/// named another one or another place.
fn configure(
    configuration: &ConfigurationOptions,
    options: &Options,
) -> Result<Config, Box<dyn Error + Send + Sync>> {
    let flag = |flag: &str, key: &str, value: String| (flag.to_owned(), key.to_owned(), value);
    let flags = vec![
        flag("--listen", "server.listen", options.listen.clone()),
        flag(
            "--dir",
            "mail.url",
            format!("file:{}", options.dir.join("mail").display()),
        ),
    ];
    let config = configuration.load(flags.clone())?;
    let own = [
        ("--dir", "database.url", Some(sqlite_url(&options.dir))),
        (
            "--listen",
            "server.public_url",
            url_of(config.server.listen),
        ),
    ];
    let own = own
        .into_iter()
        .filter(|(_, key, _)| !config.is_given(key))
        .filter_map(|(name, key, value)| Some(flag(name, key, value?)));
    Ok(configuration.load(flags.into_iter().chain(own).collect())?)
}

/// Where a browser on this machine finds who listens here; `None` while the system has yet to choose the port.
fn url_of(listen: SocketAddr) -> Option<String> {
    let ip: IpAddr = match listen.ip() {
        // All addresses at once are none to go to.
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let address = SocketAddr::new(ip, listen.port());
    (address.port() != 0).then(|| format!("http://{address}"))
}

fn sqlite_url(dir: &Path) -> String {
    format!("sqlite:{}?mode=rwc", dir.join("kaitsu.db").display())
}

/// Migrates and loads a database that nobody has used; takes a demo as it is, migrated; refuses any other before
/// it touches it.
async fn prepare(database: &Database, scale: Scale) -> Result<(), Box<dyn Error + Send + Sync>> {
    let loaded = demo::is_demo(database).await?;
    if loaded.is_none() && !schema::is_unused(database).await? {
        return Err(NotADemo.into());
    }
    migrations::up(database, &CLOCK, None).await?;
    if let Some(loaded) = loaded {
        if loaded != scale {
            tell(&format!(
                "this demo was loaded at scale {loaded} and stays so; use another --dir for {scale}"
            ));
        }
        return Ok(());
    }
    let bar = progress::bar("loading the nation", Some(1));
    demo::load(database, &CLOCK, scale, |done, all| {
        bar.set_length(u64::try_from(all).unwrap_or(0));
        bar.set_position(u64::try_from(done).unwrap_or(0));
    })
    .await?;
    bar.finish_and_clear();
    Ok(())
}

type Accounts = Vec<(&'static str, OrganisationKind, String)>;

/// Makes the accounts that are missing. Answers whose they are.
async fn ensure_accounts(
    database: &Database,
    auth: &kaitsu::auth::AuthService,
) -> Result<Accounts, Box<dyn Error + Send + Sync>> {
    let mut accounts = Vec::new();
    for (email, name, kind, role) in ACCOUNTS {
        let organisation = demo::organisation_for(database, kind).await?;
        let input = UserCreate {
            email: email.to_owned(),
            name: name.to_owned(),
            organisation: NewMember::Of(organisation.id),
            role,
            password: Some(PASSWORD.to_owned()),
            language: Language::Ja,
        };
        if !demo::has_account(database, email).await? {
            auth.create_user(&input)
                .await
                .map_err(super::user::explain)?;
        }
        accounts.push((email, kind, organisation.name));
    }
    Ok(accounts)
}

fn print_accounts(accounts: &Accounts) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "Accounts of this demo, all with the password {PASSWORD}"
    )?;
    for (email, kind, organisation) in accounts {
        writeln!(out, "  {email:<28} {kind:<18?} {organisation}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Command, CommandLine};

    fn public_url(arguments: &[&str]) -> String {
        let line = CommandLine::parse_from([&["kaitsu", "demo"][..], arguments].concat());
        let Command::Demo(options) = line.command else {
            panic!("{arguments:?}");
        };
        configure(&line.configuration, &options).unwrap().public_url
    }

    #[test]
    fn mails_point_to_where_the_demo_listens_unless_told_otherwise() {
        let cases: [(&[&str], &str); 5] = [
            (&[], "http://127.0.0.1:8080"),
            (&["--listen", "127.0.0.1:9090"], "http://127.0.0.1:9090"),
            (&["--listen", "[::]:9090"], "http://[::1]:9090"),
            (&["--listen", "0.0.0.0:9090"], "http://127.0.0.1:9090"),
            (
                &[
                    "--listen",
                    "127.0.0.1:9090",
                    "--set",
                    "server.public_url=https://kaitsu.example",
                ],
                "https://kaitsu.example",
            ),
        ];
        for (arguments, url) in cases {
            assert_eq!(public_url(arguments), url, "{arguments:?}");
        }
    }
}
