//! Files in and out: sheets that are sent (`POST /sheets`), the same with what became of each row
//! (`GET /sheets/{id}/result`), and the sheet of one's own facilities (`GET /facilities.csv`, `/facilities.xlsx`). The
//! gate is the same as for GraphQL. A file is never held in memory: it goes by way of a temporary file.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
    web,
};
use async_graphql::{ID, InputType, ServerError};
use futures_util::StreamExt;
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;
use tokio_util::io::ReaderStream;

use super::{
    answer,
    client::{RequestIds, TrustedProxies},
    gate::{Credentials, Gate, Refusal, coded},
    graphql::{bearer, language},
};
use crate::{
    api::{ApiError, NodeId, node_id::NodeKind},
    app::Services,
    auth::{Actor, Language, Permission},
    db::{DbErr, is_transient},
    facility::graphql::{FacilityFilter, export_query, organisation_of},
    reporting::ReportingProblem,
    sheet::{
        SheetProblem,
        entity::{self, Sheet},
        read::{FileProblem, Format},
        service::{
            ExportError, MOST_EXPORTED, Received, UploadError, Written, admit, export, result,
            upload,
        },
        write::{CsvEncoding, Form},
    },
};

/// A gate that says who was let in.
pub trait ActorGate: Gate {
    /// Who.
    fn actor<'c>(&self, caller: &'c Self::Caller) -> &'c Actor;
}

/// Files of one caller on their way at once.
const OF_ONE_CALLER: usize = 2;
/// How long a file may take to be taken.
const SENT_WITHIN: Duration = Duration::from_secs(600);

/// What an operator may set.
#[derive(Clone, Debug)]
pub struct SheetSettings {
    /// The largest file, in bytes.
    pub most_bytes: usize,
    /// How long a file may take to arrive.
    pub upload_time: Duration,
    /// Files on their way at once; who comes then is told to come again.
    pub at_once: usize,
    /// Whose word on the client's address we take.
    pub proxies: TrustedProxies,
}

impl Default for SheetSettings {
    fn default() -> Self {
        Self {
            most_bytes: 128 * 1024 * 1024,
            upload_time: Duration::from_secs(600),
            at_once: 8,
            proxies: TrustedProxies::default(),
        }
    }
}

/// The door for files.
pub struct SheetDoor<G> {
    gate: G,
    services: Services,
    settings: SheetSettings,
    ids: RequestIds,
    on_their_way: Arc<OnTheirWay>,
}

/// Who has files on their way, and how many.
type OnTheirWay = Mutex<HashMap<String, usize>>;

impl<G> SheetDoor<G> {
    /// A door behind a gate.
    pub fn new(gate: G, services: Services, settings: SheetSettings, ids: RequestIds) -> Self {
        Self {
            gate,
            services,
            settings,
            ids,
            on_their_way: Arc::default(),
        }
    }
}

/// Mounts the addresses of files.
pub fn mount<G: ActorGate>(services: &mut web::ServiceConfig, door: web::Data<SheetDoor<G>>) {
    services
        .service(
            web::resource("/sheets")
                .app_data(door.clone())
                .route(web::post().to(receive::<G>))
                .default_service(web::route().to(only_post)),
        )
        .service(
            web::resource("/sheets/{id}/result")
                .app_data(door.clone())
                .route(web::get().to(send_result::<G>))
                .default_service(web::route().to(only_get)),
        )
        .service(
            web::resource("/facilities.{form:csv|xlsx}")
                .app_data(door)
                .route(web::get().to(send_facilities::<G>))
                .default_service(web::route().to(only_get)),
        );
}

async fn only_post() -> HttpResponse {
    not_allowed("POST")
}

async fn only_get() -> HttpResponse {
    not_allowed("GET")
}

fn not_allowed(allowed: &'static str) -> HttpResponse {
    let error = coded(format!("use {allowed}"), "METHOD_NOT_ALLOWED");
    let mut response = refuse(StatusCode::METHOD_NOT_ALLOWED, error);
    response
        .headers_mut()
        .insert(header::ALLOW, HeaderValue::from_static(allowed));
    response
}

/// The answer to a request that is not let in.
type Refused = Box<HttpResponse>;

/// A file of somebody is on its way for as long as this lives.
struct OnItsWay {
    all: Arc<OnTheirWay>,
    whose: String,
}

impl OnItsWay {
    /// Begins, unless too many are on their way, or too many of one caller's: those who are slow, or who have many, must
    /// leave room for others.
    fn begin(all: &Arc<OnTheirWay>, whose: String, most: usize) -> Option<Self> {
        let mut counted = all.lock().unwrap_or_else(PoisonError::into_inner);
        let total: usize = counted.values().sum();
        let theirs = counted.get(&whose).copied().unwrap_or(0);
        if total >= most || theirs >= OF_ONE_CALLER {
            return None;
        }
        counted.insert(whose.clone(), theirs + 1);
        let all = Arc::clone(all);
        Some(Self { all, whose })
    }
}

impl Drop for OnItsWay {
    fn drop(&mut self) {
        let mut counted = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(theirs) = counted.get_mut(&self.whose) {
            *theirs -= 1;
            if *theirs == 0 {
                counted.remove(&self.whose);
            }
        }
    }
}

impl<G: ActorGate> SheetDoor<G> {
    /// Lets a request in, if not too many are in.
    async fn admit(&self, request: &HttpRequest) -> Result<(Actor, OnItsWay), Refused> {
        let id = self.ids.of(request);
        let bearer = bearer(request).map_err(not_admitted)?;
        let credentials = Credentials {
            bearer,
            address: self.settings.proxies.client(request),
            language: language(request),
            request_id: &id,
        };
        let caller = self.gate.admit(credentials).await.map_err(not_admitted)?;
        let actor = self.gate.actor(&caller);
        if bearer.is_none() {
            return Err(not_admitted(Refusal::unauthenticated("log in first")));
        }
        if !actor.may(Permission::FacilityRead) {
            return Err(not_admitted(Refusal::forbidden("you may not do this")));
        }
        let whose = format!("{:?}", actor.identity);
        let begun = OnItsWay::begin(&self.on_their_way, whose, self.settings.at_once);
        let Some(way) = begun else {
            let mut busy = refuse(
                StatusCode::SERVICE_UNAVAILABLE,
                coded("too many files at once: try again in a moment", "BUSY"),
            );
            busy.headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
            return Err(Box::new(busy));
        };
        Ok((actor.clone(), way))
    }
}

fn refuse(status: StatusCode, error: ServerError) -> HttpResponse {
    let mut body = Vec::with_capacity(160);
    answer::write_errors(vec![error], &mut body);
    HttpResponse::build(status)
        .content_type("application/json")
        .body(body)
}

fn not_admitted(refusal: Refusal) -> Refused {
    let mut response = refuse(refusal.status, refusal.into());
    if response.status() == StatusCode::UNAUTHORIZED {
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    Box::new(response)
}

fn broken(error: &DbErr, id: &str) -> HttpResponse {
    if is_transient(error) {
        tracing::warn!(%error, "the database is unavailable");
        let unavailable = coded("the database is unavailable, try again", "UNAVAILABLE");
        return refuse(StatusCode::SERVICE_UNAVAILABLE, unavailable);
    }
    tracing::error!(request_id = id, %error, "a file could not be handled");
    refuse(StatusCode::INTERNAL_SERVER_ERROR, answer::internal(id))
}

/// Takes a file.
async fn receive<G: ActorGate>(
    request: HttpRequest,
    payload: web::Payload,
    query: web::Query<HashMap<String, String>>,
    door: web::Data<SheetDoor<G>>,
) -> HttpResponse {
    let (actor, _on_its_way) = match door.admit(&request).await {
        Ok(admitted) => admitted,
        Err(refused) => return *refused,
    };
    let name = match file_name(&query) {
        Ok(name) => name,
        Err(refused) => return *refused,
    };
    let organisation = query
        .get("organisation")
        .map(|id| organisation_of(&ID(id.clone())));
    let complete_to = match query.get("completeTo").map(|day| day.parse()).transpose() {
        Ok(day) => day,
        Err(_) => {
            let bad = coded("`completeTo` is a day, as 2021-12-19", "BAD_REQUEST");
            return refuse(StatusCode::BAD_REQUEST, bad);
        }
    };
    let today = door.services.clock.today();
    if let Err(problem) = admit(&actor, organisation, complete_to, today) {
        return closing(unprocessable(&problem, actor.language));
    }
    let settings = &door.settings;
    let announced = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<usize>().ok());
    if announced.is_some_and(|bytes| bytes > settings.most_bytes) {
        return closing(Interrupted::TooLarge.answer(settings.most_bytes));
    }
    let arrived = tokio::time::timeout(
        settings.upload_time,
        arrive(payload, name, settings.most_bytes),
    );
    let received = match arrived.await.unwrap_or(Err(Interrupted::TooSlow)) {
        Ok(received) => Received {
            complete_to,
            ..received
        },
        Err(Interrupted::Disk(error)) => {
            return closing(broken(
                &DbErr::Custom(error.to_string()),
                &door.ids.of(&request),
            ));
        }
        Err(interrupted) => return closing(interrupted.answer(settings.most_bytes)),
    };
    match upload(&door.services, &actor, organisation, received).await {
        Ok(sheet) => {
            let id = NodeId::new(NodeKind::Sheet, sheet.0).encode();
            HttpResponse::Created()
                .insert_header((header::LOCATION, format!("/sheets/{}/result", id.as_str())))
                .json(serde_json::json!({ "sheet": { "id": id.as_str() } }))
        }
        Err(UploadError::Refused(problem)) => unprocessable(&problem, actor.language),
        Err(UploadError::Database(error)) => broken(&error, &door.ids.of(&request)),
    }
}

/// Bytes may still be on their way: the connection can't be used again.
fn closing(mut response: HttpResponse) -> HttpResponse {
    response
        .head_mut()
        .set_connection_type(actix_web::http::ConnectionType::Close);
    response
}

/// Why a file is refused, as the code of it says.
fn unprocessable(problem: &SheetProblem, language: Language) -> HttpResponse {
    let (status, code) = match problem {
        SheetProblem::Forbidden => (StatusCode::FORBIDDEN, "FORBIDDEN"),
        SheetProblem::File(file) => (StatusCode::UNPROCESSABLE_ENTITY, code_of(file)),
        SheetProblem::WhoseIsIt => (StatusCode::BAD_REQUEST, "ORGANISATION_NEEDED"),
        SheetProblem::Facility(_) | SheetProblem::Reporting(ReportingProblem::NotFound) => {
            (StatusCode::BAD_REQUEST, "UNKNOWN_ORGANISATION")
        }
        SheetProblem::Reporting(ReportingProblem::InFuture { .. }) => {
            (StatusCode::BAD_REQUEST, "DATE_IN_FUTURE")
        }
        SheetProblem::Reporting(ReportingProblem::TooEarly { .. }) => {
            (StatusCode::BAD_REQUEST, "DATE_TOO_EARLY")
        }
        SheetProblem::Reporting(_) => (StatusCode::FORBIDDEN, "FORBIDDEN"),
        _ => (StatusCode::UNPROCESSABLE_ENTITY, "BAD_FILE"),
    };
    refuse(status, coded(problem.message(language), code))
}

fn code_of(problem: &FileProblem) -> &'static str {
    match problem {
        FileProblem::Empty => "FILE_EMPTY",
        FileProblem::NotASheet => "NOT_A_SHEET",
        FileProblem::NotWhatItSays { .. } => "NOT_WHAT_IT_SAYS",
        FileProblem::BadEncoding { .. } => "BAD_ENCODING",
        FileProblem::Broken | FileProblem::UnclosedQuote { .. } => "FILE_BROKEN",
        FileProblem::TooManyRows { .. } => "TOO_MANY_ROWS",
        FileProblem::TooManyColumns { .. } => "TOO_MANY_COLUMNS",
        FileProblem::CellTooLong { .. } => "CELL_TOO_LONG",
        FileProblem::TooLarge => "FILE_TOO_LARGE",
        FileProblem::Encrypted => "FILE_ENCRYPTED",
        FileProblem::MergedCells { .. } => "MERGED_CELLS",
    }
}

/// The name of a file, from `?name=`.
fn file_name(query: &HashMap<String, String>) -> Result<String, Refused> {
    const MOST: usize = 255;
    let name = query.get("name").map(|name| name.trim());
    match name {
        None | Some("") => Ok("sheet".to_owned()),
        Some(name) if name.chars().count() > MOST || name.chars().any(char::is_control) => {
            let message =
                format!("a name has at most {MOST} characters, and no control characters");
            Err(Box::new(refuse(
                StatusCode::BAD_REQUEST,
                coded(message, "BAD_REQUEST"),
            )))
        }
        Some(name) => Ok(name.to_owned()),
    }
}

/// Why a file did not arrive.
enum Interrupted {
    TooLarge,
    TooSlow,
    BrokenOff,
    Disk(std::io::Error),
}

impl From<std::io::Error> for Interrupted {
    fn from(error: std::io::Error) -> Self {
        Self::Disk(error)
    }
}

impl Interrupted {
    fn answer(self, most: usize) -> HttpResponse {
        match self {
            Self::TooLarge => refuse(
                StatusCode::PAYLOAD_TOO_LARGE,
                coded(
                    format!("the file has more than {most} bytes"),
                    "FILE_TOO_LARGE",
                ),
            ),
            Self::TooSlow => refuse(
                StatusCode::REQUEST_TIMEOUT,
                coded("the file did not arrive in time", "BODY_TIMEOUT"),
            ),
            Self::BrokenOff | Self::Disk(_) => refuse(
                StatusCode::BAD_REQUEST,
                coded("the file broke off", "BROKEN_OFF"),
            ),
        }
    }
}

/// Writes a body to a temporary file as it comes.
async fn arrive(
    mut payload: web::Payload,
    name: String,
    most: usize,
) -> Result<Received, Interrupted> {
    let mut file = tokio::fs::File::from_std(tempfile::tempfile()?);
    let (mut digest, mut bytes) = (Sha256::new(), 0_usize);
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| Interrupted::BrokenOff)?;
        bytes += chunk.len();
        if bytes > most {
            return Err(Interrupted::TooLarge);
        }
        digest.update(&chunk);
        file.write_all(&chunk).await?;
    }
    file.flush().await?;
    Ok(Received {
        file: file.into_std().await,
        name,
        digest: digest.finalize().to_vec(),
        bytes: u64::try_from(bytes).unwrap_or(u64::MAX),
        complete_to: None,
    })
}

/// Sends a sheet back with what became of its rows.
async fn send_result<G: ActorGate>(
    request: HttpRequest,
    path: web::Path<String>,
    door: web::Data<SheetDoor<G>>,
) -> HttpResponse {
    let (actor, on_its_way) = match door.admit(&request).await {
        Ok(admitted) => admitted,
        Err(refused) => return *refused,
    };
    let made = async {
        let id = ID(path.into_inner());
        let Some(row) = NodeId::row_of(&id, NodeKind::Sheet) else {
            return Ok(None);
        };
        let database = &door.services.database;
        let found = entity::find(database, database.read(), &actor, &[row]).await?;
        let Some(sheet) = found.into_iter().next() else {
            return Ok(None);
        };
        let written = result(database, &actor, &sheet).await?;
        Ok(Some((sheet, written)))
    };
    match made.await {
        Ok(Some((sheet, written))) => attach(
            written,
            &result_name(&sheet, actor.language),
            media_type(sheet.layout.format),
            on_its_way,
        ),
        Ok(None) => {
            let problem = SheetProblem::NotFound.message(actor.language);
            refuse(StatusCode::NOT_FOUND, coded(problem, "NOT_FOUND"))
        }
        Err(error) => broken(&error, &door.ids.of(&request)),
    }
}

fn result_name(sheet: &Sheet, language: Language) -> String {
    let (stem, extension) = match sheet.name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => (stem, extension),
        _ => match sheet.layout.format {
            Format::Csv => (sheet.name.as_str(), "csv"),
            Format::Xlsx => (sheet.name.as_str(), "xlsx"),
        },
    };
    let word = match language {
        Language::Ja => "結果",
        Language::En => "result",
    };
    format!("{stem}_{word}.{extension}")
}

fn media_type(format: Format) -> &'static str {
    match format {
        Format::Csv => "text/csv",
        Format::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    }
}

/// Sends the sheet of the caller's facilities, or of those that `?filter=` holds: the JSON of a `FacilityFilter`.
async fn send_facilities<G: ActorGate>(
    request: HttpRequest,
    path: web::Path<String>,
    query: web::Query<HashMap<String, String>>,
    door: web::Data<SheetDoor<G>>,
) -> HttpResponse {
    let (actor, on_its_way) = match door.admit(&request).await {
        Ok(admitted) => admitted,
        Err(refused) => return *refused,
    };
    let today = door.services.clock.today();
    let filter = query
        .get("filter")
        .map_or(Ok(FacilityFilter::default()), |text| read_filter(text));
    let list = match filter.and_then(|filter| export_query(filter, today)) {
        Ok(list) => list,
        Err(ApiError::Shown { code, message }) => {
            return refuse(StatusCode::BAD_REQUEST, coded(message, code));
        }
        Err(_) => return refuse(StatusCode::BAD_REQUEST, bad_filter()),
    };
    let (form, format) = match path.as_str() {
        "xlsx" => (Form::Xlsx, Format::Xlsx),
        _ => (csv_form(&query), Format::Csv),
    };
    let database = &door.services.database;
    match export(database, &actor, &list, form, MOST_EXPORTED).await {
        Ok(written) => {
            let name = format!("kaitsu_{today}.{}", path.as_str());
            attach(written, &name, media_type(format), on_its_way)
        }
        Err(ExportError::TooManyRows) => {
            let message = format!("the list has more than {MOST_EXPORTED} facilities: filter it");
            refuse(
                StatusCode::UNPROCESSABLE_ENTITY,
                coded(message, "TOO_MANY_ROWS"),
            )
        }
        Err(ExportError::Database(error)) => broken(&error, &door.ids.of(&request)),
    }
}

fn bad_filter() -> ServerError {
    coded(
        "the filter must be the JSON of a FacilityFilter",
        "BAD_FILTER",
    )
}

fn read_filter(text: &str) -> Result<FacilityFilter, ApiError> {
    let bad = || ApiError::bad_input("BAD_FILTER", bad_filter().message);
    let json: serde_json::Value = serde_json::from_str(text).map_err(|_| bad())?;
    let value = async_graphql::Value::from_json(json).map_err(|_| bad())?;
    FacilityFilter::parse(Some(value)).map_err(|_| bad())
}

/// In UTF-8 after a byte order mark, which spreadsheet programs know, unless `?encoding=` says `utf-8` or `cp932`.
fn csv_form(query: &HashMap<String, String>) -> Form {
    let encoding = match query.get("encoding").map(String::as_str) {
        Some("utf-8") => CsvEncoding::Utf8,
        Some("cp932") => CsvEncoding::Cp932,
        _ => CsvEncoding::Utf8Bom,
    };
    Form::Csv {
        encoding,
        delimiter: b',',
    }
}

/// Sends a file to be kept.
fn attach(
    written: Written,
    name: &str,
    media_type: &'static str,
    on_its_way: OnItsWay,
) -> HttpResponse {
    let file = tokio::fs::File::from_std(written.file);
    let on_its_way = Arc::new(Mutex::new(Some(on_its_way)));
    // Who takes nothing for so long leaves room for others.
    let overdue = Arc::downgrade(&on_its_way);
    tokio::spawn(async move {
        tokio::time::sleep(SENT_WITHIN).await;
        if let Some(on_its_way) = overdue.upgrade() {
            drop(
                on_its_way
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .take(),
            );
        }
    });
    let bytes = ReaderStream::with_capacity(file, 64 * 1024).map(move |bytes| {
        // It is on its way until the last byte is taken.
        let held = on_its_way.lock().unwrap_or_else(PoisonError::into_inner);
        if held.is_none() {
            return Err(std::io::Error::from(std::io::ErrorKind::TimedOut));
        }
        bytes
    });
    HttpResponse::Ok()
        .content_type(media_type)
        .insert_header((header::CONTENT_DISPOSITION, disposition(name)))
        .body(actix_web::body::SizedStream::new(written.bytes, bytes))
}

/// A name for any browser (RFC 6266), percent-encoded.
fn disposition(name: &str) -> String {
    use std::fmt::Write;
    let mut encoded = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_') {
            encoded.push(char::from(byte));
        } else {
            // Writing to a text can't fail.
            write!(encoded, "%{byte:02X}").ok();
        }
    }
    format!("attachment; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_encoded_whatever_it_holds() {
        assert_eq!(
            disposition("週報 \"1\".xlsx"),
            "attachment; filename*=UTF-8''%E9%80%B1%E5%A0%B1%20%221%22.xlsx"
        );
    }

    #[test]
    fn a_filter_is_read_as_the_api_reads_it() {
        let filter = read_filter(r#"{"kinds":["PHARMACY"],"open":null}"#).unwrap();
        assert_eq!((filter.kinds.len(), filter.open), (1, None));
        for text in ["", "[]", "{\"kinds\":[\"SHOP\"]}", "nothing"] {
            assert!(read_filter(text).is_err(), "{text}");
        }
    }
}
