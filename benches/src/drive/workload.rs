//! What is asked of both sides: for each operation a file of requests that name many different facilities,
//! vendors, places in the list and parts of names, in the same order for both.

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use kaitsu::facility::text;
use serde_json::{Value, json};
use sqlx::{PgPool, Row};

use super::{
    http,
    servers::Server,
    world::{Asker, Askers},
};
use crate::{Failure, floor::reads};

/// Different requests of each operation.
const SAMPLES: i64 = 2_000;
/// The page of the national list that is read; 50 facilities each.
const PAGE: usize = 2_000;
/// Different places around that page.
const PLACES: usize = 100;

/// One request.
#[derive(Clone, Debug)]
pub struct Line {
    /// `GET` or `POST`
    pub method: &'static str,
    /// The path.
    pub path: String,
    /// The bearer, if any.
    pub token: String,
    /// The body, if any.
    pub body: String,
}

/// An operation as both sides are asked it.
#[derive(Clone, Debug)]
pub struct Workload {
    /// Its name.
    pub name: &'static str,
    /// To Kaitsu.
    pub ours: Vec<Line>,
    /// To the floor.
    pub floor: Vec<Line>,
    /// The statement alone, with its values put in.
    pub statements: Vec<String>,
    /// The least share of the floor's throughput that is good enough, at 16 and 64 connections.
    pub target: Option<f64>,
}

impl Line {
    /// A GraphQL request.
    pub fn ask(asker: &Asker, document: &str, variables: &Value) -> Self {
        Self {
            method: "POST",
            path: "/graphql".to_owned(),
            token: asker.token.clone(),
            body: json!({ "query": document, "variables": variables }).to_string(),
        }
    }

    fn get(path: String) -> Self {
        Self {
            method: "GET",
            path,
            token: String::new(),
            body: String::new(),
        }
    }

    /// A request to the floor with a body.
    pub fn post(path: &str, body: &Value) -> Self {
        Self {
            method: "POST",
            path: path.to_owned(),
            token: String::new(),
            body: body.to_string(),
        }
    }

    /// Sends it.
    ///
    /// # Errors
    /// As [`http::send`].
    pub fn send(&self, server: &Server) -> Result<String, Failure> {
        http::send(
            server.address,
            self.method,
            &self.path,
            &self.token,
            &self.body,
        )
    }
}

/// Writes requests for `wrk`.
///
/// # Errors
/// The file can't be written.
pub fn write(folder: &Path, name: &str, lines: &[Line]) -> Result<PathBuf, Failure> {
    let path = folder.join(format!("{name}.requests"));
    let mut text = String::new();
    for Line {
        method,
        path,
        token,
        body,
    } in lines
    {
        writeln!(text, "{method}\t{path}\t{token}\t{body}")?;
    }
    fs::write(&path, text)?;
    Ok(path)
}

/// A document of `benches/operations`.
macro_rules! document {
    ($name:literal) => {
        include_str!(concat!("../../operations/", $name, ".graphql"))
    };
}
pub(super) use document;

/// A facility by its code.
///
/// # Errors
/// The database fails.
pub async fn facility(pool: &PgPool, askers: &Askers) -> Result<Workload, Failure> {
    let codes: Vec<String> = column(
        pool,
        "SELECT code FROM facility_state WHERE closed_on IS NULL ORDER BY md5(code) LIMIT $1",
        SAMPLES,
    )
    .await?;
    let ask = |code: &String| {
        Line::ask(
            &askers.ministry,
            document!("facility"),
            &json!({ "code": code }),
        )
    };
    Ok(Workload {
        name: "facility by code",
        ours: codes.iter().map(ask).collect(),
        floor: codes
            .iter()
            .map(|code| Line::get(format!("/facility/{code}")))
            .collect(),
        statements: codes
            .iter()
            .map(|code| filled(reads::FACILITY, &[quoted(code)]))
            .collect(),
        target: Some(0.45),
    })
}

/// The first 50 of a vendor's facilities, asked by the vendor.
///
/// # Errors
/// None.
pub fn worklist(askers: &Askers) -> Result<Workload, Failure> {
    let ask = |vendor: &Asker| Line::ask(vendor, document!("worklist"), &json!({}));
    let today = quoted(&reads::today().to_string());
    let statement = |vendor: &Asker| {
        filled(
            reads::WORKLIST,
            &[vendor.organisation.to_string(), today.clone()],
        )
    };
    Ok(Workload {
        name: "worklist of 50, with total",
        ours: askers.vendors.iter().map(ask).collect(),
        floor: askers
            .vendors
            .iter()
            .map(|vendor| Line::get(format!("/worklist/{}", vendor.organisation)))
            .collect(),
        statements: askers.vendors.iter().map(statement).collect(),
        target: Some(0.6),
    })
}

/// Pages of the national list from the 2,000th on, by cursors that were walked to.
///
/// # Errors
/// A server or the database fails.
pub async fn page(pool: &PgPool, askers: &Askers, ours: &Server) -> Result<Workload, Failure> {
    let today = quoted(&reads::today().to_string());
    let open = format!("opened_on <= {today} AND (closed_on IS NULL OR closed_on > {today})");
    let codes: Vec<String> = column(
        pool,
        &format!("SELECT code FROM facility_state WHERE {open} ORDER BY code LIMIT $1"),
        i64::try_from((PAGE + PLACES) * 50)?,
    )
    .await?;
    let before: Vec<&String> = codes
        .chunks(50)
        .filter_map(<[_]>::last)
        .skip(PAGE - 2)
        .take(PLACES)
        .collect();
    let cursors = walk(askers, ours, codes.len())?;
    let ask = |cursor: &Value| {
        Line::ask(
            &askers.ministry,
            document!("page"),
            &json!({ "after": cursor }),
        )
    };
    Ok(Workload {
        name: "page 2,000 of the national list",
        ours: cursors.iter().map(ask).collect(),
        floor: before
            .iter()
            .map(|code| Line::get(format!("/page/{code}")))
            .collect(),
        statements: before
            .iter()
            .map(|code| filled(reads::PAGE, &[quoted(code), today.clone()]))
            .collect(),
        target: Some(0.6),
    })
}

/// The cursors behind which pages [`PAGE`] and on begin.
fn walk(askers: &Askers, ours: &Server, facilities: usize) -> Result<Vec<Value>, Failure> {
    let document = "query($first: Int, $after: String) { facilities(first: $first, after: $after) \
                    { pageInfo { endCursor } } }";
    let first_place = (PAGE - 1).min(facilities / 50) * 50;
    let (mut walked, mut after, mut cursors) = (0, Value::Null, Vec::new());
    while cursors.len() < PLACES {
        let step = if walked < first_place {
            (first_place - walked).min(100)
        } else {
            50
        };
        let asked = json!({ "query": document, "variables": { "first": step, "after": after } });
        let mut data = http::ask(ours.address, &askers.ministry.token, &asked.to_string())?;
        after = data
            .pointer_mut("/facilities/pageInfo/endCursor")
            .map(Value::take)
            .unwrap_or_default();
        if after.is_null() {
            return Err("the list is shorter than 2,000 pages".into());
        }
        walked += step;
        if walked >= first_place {
            cursors.push(after.clone());
        }
    }
    Ok(cursors)
}

/// Parts of names that few facilities have.
///
/// # Errors
/// The database fails.
pub async fn search(pool: &PgPool, askers: &Askers) -> Result<Workload, Failure> {
    let parts: Vec<String> = column(
        pool,
        "SELECT part FROM (SELECT left(name, 4) AS part, count(*) AS many FROM facility GROUP BY 1) AS parts \
         WHERE many BETWEEN 2 AND 20 AND length(part) = 4 AND part !~ '[[:space:]・]' ORDER BY md5(part) LIMIT $1",
        200,
    )
    .await?;
    let today = quoted(&reads::today().to_string());
    let mut workload = Workload {
        name: "search by a rare part of a name",
        ours: Vec::new(),
        floor: Vec::new(),
        statements: Vec::new(),
        target: None,
    };
    for part in parts {
        let folded = text::fold(&part);
        let (grams, like) = (text::grams(&folded), format!("%{folded}%"));
        let variables = json!({ "filter": { "search": part } });
        workload
            .ours
            .push(Line::ask(&askers.ministry, document!("page"), &variables));
        let wanted = json!({ "grams": grams, "like": like });
        workload.floor.push(Line::post("/search", &wanted));
        let listed: Vec<String> = grams.iter().map(ToString::to_string).collect();
        let array = format!("'{{{}}}'::integer[]", listed.join(","));
        workload.statements.push(filled(
            reads::SEARCH,
            &[array, quoted(&like), today.clone()],
        ));
    }
    Ok(workload)
}

/// National figures by kind and prefecture.
pub fn figures(
    name: &'static str,
    askers: &Askers,
    variables: &Value,
    target: Option<f64>,
) -> Workload {
    let query = "query Figures($asOf: String) { rolloutFigures(asOf: $asOf, groupBy: [KIND, PREFECTURE]) \
                 { asOf cells { kind prefecture all applied ready live } } }";
    let as_of = json!({ "asOf": variables.get("asOf") });
    Workload {
        name,
        ours: vec![Line::ask(&askers.ministry, document!("figures"), variables)],
        floor: vec![Line::post(
            "/figures",
            &json!({ "query": query, "variables": as_of }),
        )],
        statements: Vec::new(),
        target,
    }
}

async fn column(pool: &PgPool, sql: &str, bound: i64) -> Result<Vec<String>, Failure> {
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(bound)
        .fetch_all(pool)
        .await?;
    Ok(rows
        .iter()
        .map(|row| row.try_get(0))
        .collect::<Result<_, _>>()?)
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A statement with its values in the place of `$1…`.
fn filled(sql: &str, values: &[String]) -> String {
    values
        .iter()
        .zip(1..)
        .fold(sql.to_owned(), |sql, (value, place)| {
            sql.replace(&format!("${place}"), value)
        })
}
