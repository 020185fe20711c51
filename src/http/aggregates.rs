//! `GET /aggregates`, `/aggregates/top` and `/entries`: from parameters to a query.
//!
//! Input: the head of a request. Output: the answer of the query it asks for, or 400 with what is wrong. Never: a parameter
//! that is ignored.

use super::errors::Problem;
use super::ingest::customer;
use super::params::{Params, bad};
use super::reading::Reading;
use super::{Head, Response, negotiate};
use crate::batch::{Filter, Limits};
use crate::customers::Customers;
use crate::dimension::{DIMENSION_COUNT, DIMENSIONS, PATH, USER_AGENT, dimension_named};
use crate::model::CustomerId;
use crate::query::aggregates::{self, Aggregates};
use crate::query::calendar::{CalendarStep, CalendarZone};
use crate::query::entries::{self, Entries, EntryPlace};
use crate::query::filtered::{AnswerFrom, Where};
use crate::query::range::TimeRange;
use crate::query::top::{self, Top, TopOrder};
use crate::query::{Meter, QueryError, QueryForm, StoredSource};

/// Windows in a page where `limit` does not say: a day of minutes fits.
const DEFAULT_LIMIT: usize = 1_500;
/// Keys that `top` and `n` may ask for.
const MAX_TOP: usize = 10_000;
/// Keys of `/aggregates/top` where `n` does not say.
const DEFAULT_N: usize = 10;
/// Lines of `/entries` where `limit` does not say, and at most.
const DEFAULT_ENTRIES: usize = 100;
const MAX_ENTRIES: usize = 10_000;
/// The longest `prefix`, in characters: keys that agree in so many are hardly told apart by more.
const MAX_PREFIX_CHARS: usize = 1_000;

/// Answers `/aggregates` and `/aggregates/top` from files, where no server runs.
pub(crate) fn answer(
    reading: &Reading,
    head: &Head,
    source: &dyn StoredSource,
    customers: &Customers,
) -> Response {
    let answered = match head.path.as_str() {
        "/aggregates/top" => top(reading, head, source, customers),
        _ => windows(reading, head, source, customers),
    };
    answered.unwrap_or_else(|problem| problem.response("", None, None))
}

/// `GET /aggregates`. Entries that `where` chooses are counted by the customer's present path rules.
///
/// # Errors
/// 400 for bad parameters and passed limits, 503 where it is too much at the moment.
pub(super) fn windows(
    reading: &Reading,
    head: &Head,
    source: &dyn StoredSource,
    customers: &Customers,
) -> Result<Response, Problem> {
    let customer = customer(head)?;
    let known = ["from", "to", "window", "by", "tz", "where", "top", "classes", "limit", "next"];
    let params = Params::of(head, &known)?;
    let range = range(&params)?;
    let step = match params.get("window") {
        None => CalendarStep::Window(range.suited_size()),
        Some(name) => CalendarStep::from_name(name)
            .ok_or_else(|| bad("window must be minute, hour, day, month or all"))?,
    };
    let top = match params.get("top") {
        None => None,
        Some(_) => Some(params.number("top", 0, (0, MAX_TOP), "")?),
    };
    let most = reading.max_windows();
    let form = form(head);
    let query = Aggregates {
        customer,
        range,
        step,
        zone: zone(&params)?,
        // A line of CSV has no place for maps.
        by: if form == QueryForm::Csv { by(&params).map(|_| [false; _])? } else { by(&params)? },
        top,
        classes: params.flag("classes")? && form == QueryForm::Json,
        limit: params.number("limit", DEFAULT_LIMIT.min(most), (1, most), " (max_query_windows)")?,
        next: params.get("next").map(str::to_owned),
        form,
    };
    let chosen = chosen(&params, &query.customer, reading, customers)?;
    reading.run("/aggregates", head, form, |limits| {
        let mut meter = Meter::of_pages(*limits);
        aggregates::answer(answer_from(source, chosen.as_ref())?, &query, limits, &mut meter)
    })
}

/// `GET /aggregates/top`.
pub(super) fn top(
    reading: &Reading,
    head: &Head,
    source: &dyn StoredSource,
    customers: &Customers,
) -> Result<Response, Problem> {
    let customer = customer(head)?;
    let known = ["dimension", "from", "to", "by", "status", "n", "prefix", "where", "tz"];
    let params = Params::of(head, &known)?;
    let name = params.get("dimension").unwrap_or_default();
    let dimension =
        dimension(name).ok_or_else(|| bad(format!("dimension must be {}", dimension_names("or"))))?;
    let range = range(&params)?;
    // The zone does not change a range of instants; its name is checked, so that a mistake is noticed.
    zone(&params)?;
    let prefix = params.get("prefix").unwrap_or_default();
    if prefix.chars().count() > MAX_PREFIX_CHARS {
        return Err(bad(format!("prefix must have at most {MAX_PREFIX_CHARS} characters")));
    }
    let form = form(head);
    let query = Top {
        customer,
        range,
        dimension,
        dimension_name: name.to_owned(),
        order: order(&params, dimension)?,
        prefix: prefix.to_owned(),
        n: params.number("n", DEFAULT_N, (0, MAX_TOP), "")?,
        form,
    };
    let chosen = chosen(&params, &query.customer, reading, customers)?;
    reading.run("/aggregates/top", head, form, |limits| {
        let mut meter = Meter::new(*limits);
        top::answer(answer_from(source, chosen.as_ref())?, &query, limits, &mut meter)
    })
}

/// A filter, and the rules for counting the entries that it chooses: the customer's present path rules.
type Chosen = (Filter, Limits);

fn chosen(
    params: &Params,
    customer: &CustomerId,
    reading: &Reading,
    customers: &Customers,
) -> Result<Option<Chosen>, Problem> {
    Ok(filter(params)?.map(|filter| (filter, rules(customer, reading, customers))))
}

fn rules(customer: &CustomerId, reading: &Reading, customers: &Customers) -> Limits {
    let path_rules = customers.in_force().of(customer).path_rules.clone();
    Limits { path_rules, ..reading.rules().clone() }
}

fn answer_from<'a>(
    source: &'a dyn StoredSource,
    chosen: Option<&'a Chosen>,
) -> Result<AnswerFrom<'a>, QueryError> {
    Ok(match chosen {
        None => AnswerFrom::Stored(source),
        Some((filter, rules)) => {
            AnswerFrom::Chosen(Where { bodies: source.bodies()?, filter: Some(filter), rules })
        }
    })
}

/// `GET /entries`.
pub(super) fn entries(
    reading: &Reading,
    head: &Head,
    source: &dyn StoredSource,
    customers: &Customers,
) -> Result<Response, Problem> {
    let customer = customer(head)?;
    let params = Params::of(head, &["from", "to", "where", "limit", "next"])?;
    let next = match params.get("next") {
        None => None,
        Some(text) => {
            Some(EntryPlace::parse(text).ok_or_else(|| bad("next must be that of the page before"))?)
        }
    };
    let limit = params.number("limit", DEFAULT_ENTRIES, (1, MAX_ENTRIES), "")?;
    let query = Entries { customer, range: range(&params)?, limit, next };
    let (filter, rules) = (filter(&params)?, rules(&query.customer, reading, customers));
    reading.run("/entries", head, QueryForm::Ndjson, |limits| {
        let mut meter = Meter::new(*limits);
        let chosen = Where { bodies: source.bodies()?, filter: filter.as_ref(), rules: &rules };
        entries::answer(chosen, &query, limits, &mut meter)
    })
}

fn filter(params: &Params) -> Result<Option<Filter>, Problem> {
    let filter = params.get("where").map(Filter::parse).transpose();
    filter.map_err(|error| bad(error.to_string()))
}

fn form(head: &Head) -> QueryForm {
    if negotiate::wants_csv(head) { QueryForm::Csv } else { QueryForm::Json }
}

fn range(params: &Params) -> Result<TimeRange, Problem> {
    let range = TimeRange { from_ms: params.instant("from")?, to_ms: params.instant("to")? };
    if range.from_ms >= range.to_ms {
        return Err(bad("from must be before to"));
    }
    Ok(range)
}

fn zone(params: &Params) -> Result<CalendarZone, Problem> {
    let Some(name) = params.get("tz") else { return Ok(CalendarZone::utc()) };
    CalendarZone::from_name(name)
        .ok_or_else(|| bad("tz must be the name of a time zone, such as Europe/Vienna or UTC"))
}

/// The dimensions that `by` names.
fn by(params: &Params) -> Result<[bool; DIMENSION_COUNT], Problem> {
    let mut by = [false; DIMENSION_COUNT];
    let Some(list) = params.get("by") else {
        by[PATH] = true;
        by[USER_AGENT] = true;
        return Ok(by);
    };
    for name in list.split(',').filter(|_| !list.is_empty()) {
        let place = dimension(name).ok_or_else(|| {
            bad(format!("by must be empty or some of {}, separated by commas", dimension_names("and")))
        })?;
        by[place] = true;
    }
    Ok(by)
}

fn dimension(name: &str) -> Option<usize> {
    // The name of the dimension in earlier answers.
    if name == "agent" { Some(USER_AGENT) } else { dimension_named(name) }
}

/// `path, userAgent … or LAST`.
fn dimension_names(word: &str) -> String {
    listed(&DIMENSIONS.each_ref().map(|dimension| dimension.name), word)
}

fn listed(names: &[&str], word: &str) -> String {
    let (last, others) = names.split_last().expect("a list of names is not empty");
    format!("{} {word} {last}", others.join(", "))
}

fn order(params: &Params, dimension: usize) -> Result<TopOrder, Problem> {
    let (parameter, order) = match (params.get("by"), params.get("status")) {
        (Some(_), Some(_)) => {
            return Err(bad("by and status exclude one another: status is an order of its own"));
        }
        (None, None) => return Ok(TopOrder::Requests),
        (Some(name), None) => {
            let order = TopOrder::BY.into_iter().find(|(known, _)| *known == name);
            let names = TopOrder::BY.map(|(name, _)| name);
            ("by", order.ok_or_else(|| bad(format!("by must be {}", listed(&names, "or"))))?.1)
        }
        (None, Some(status)) => {
            let order = TopOrder::by_status(status);
            (
                "status",
                order.ok_or_else(|| bad("status must be a status such as 404, or a class such as 4xx"))?,
            )
        }
    };
    if order.needs_measures() && !DIMENSIONS[dimension].is_measured {
        let measured: Vec<&str> = DIMENSIONS
            .iter()
            .filter(|dimension| dimension.is_measured)
            .map(|dimension| dimension.name)
            .collect();
        let (wanted, name) = (params.get(parameter).unwrap_or_default(), DIMENSIONS[dimension].name);
        return Err(bad(format!(
            "{parameter}={wanted} needs dimension={}: of {name} only requests, people and robots are counted",
            listed(&measured, "or")
        )));
    }
    Ok(order)
}
