//! Event selectors: what `PutEventSelectors` takes, and which events they take.
//!
//! Sources: the API reference's EventSelector, DataResource, AdvancedEventSelector and AdvancedFieldSelector.

use std::collections::BTreeSet;

use ropeway_api::cloudtrail::{
    AdvancedEventSelector, AdvancedFieldSelector, DataResource, EventSelector, error,
};
use ropeway_wire::Error;

use crate::model::{Advanced, Basic, Field, Selectors};

/// The types of resources whose data events there are.
pub const OBJECTS: &str = "AWS::S3::Object";
/// See above.
pub const FUNCTIONS: &str = "AWS::Lambda::Function";
/// Most basic selectors of a trail:
/// <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/WhatIsCloudTrail-Limits.html>.
const MAX_BASIC: usize = 5;
/// Most data resources of a trail's basic selectors.
const MAX_DATA: usize = 250;
/// Most conditions (values) of a trail's advanced selectors.
const MAX_CONDITIONS: usize = 500;
/// Most bytes of a trail's selectors: what its row has room for.
const MAX_BYTES: usize = 32 * 1024;
/// Sources that basic selectors may exclude.
const EXCLUDABLE: &[&str] = &["kms.amazonaws.com", "rdsdata.amazonaws.com"];

/// What selectors look at.
pub struct Seen<'a> {
    /// A management event; a data event otherwise.
    pub management: bool,
    /// `readOnly`
    pub read_only: bool,
    /// `eventSource`
    pub source: &'a str,
    /// `eventName`
    pub name: &'a str,
    /// `userIdentity.arn`
    pub user: &'a str,
    /// Type and ARN of a data event's resource.
    pub resource: Option<(&'a str, &'a str)>,
}

/// What a trail has before `PutEventSelectors`: all management events.
pub fn default() -> Selectors {
    let all = Basic { reads: true, writes: true, management: true, exclude: Vec::new(), data: Vec::new() };
    Selectors::Basic(vec![all])
}

/// Whether data events are among what they take.
pub fn take_data(selectors: &Selectors) -> bool {
    match selectors {
        Selectors::Basic(selectors) => selectors.iter().any(|selector| !selector.data.is_empty()),
        Selectors::Advanced(selectors) => selectors.iter().any(|selector| !is_management(selector)),
    }
}

fn is_management(selector: &Advanced) -> bool {
    let category = |field: &&Field| field.field == "eventCategory";
    selector.fields.iter().find(category).is_some_and(|field| field.equals == ["Management"])
}

/// Whether an event is taken.
pub fn take(selectors: &Selectors, seen: &Seen<'_>) -> bool {
    match selectors {
        Selectors::Basic(selectors) => selectors.iter().any(|selector| basic_takes(selector, seen)),
        Selectors::Advanced(selectors) => {
            selectors.iter().any(|selector| selector.fields.iter().all(|field| holds(field, seen)))
        }
    }
}

fn basic_takes(selector: &Basic, seen: &Seen<'_>) -> bool {
    let way = if seen.read_only { selector.reads } else { selector.writes };
    let Some((of, arn)) = seen.resource.filter(|_| !seen.management) else {
        return way
            && seen.management
            && selector.management
            && !selector.exclude.iter().any(|s| s == seen.source);
    };
    let covers = |prefix: &String| match of {
        // All functions are `arn:aws:lambda`, one is named as a whole; objects are named by their beginning.
        FUNCTIONS => prefix == "arn:aws:lambda" || prefix == arn,
        _ => arn.starts_with(prefix.as_str()),
    };
    way && selector.data.iter().any(|(kind, prefixes)| kind == of && prefixes.iter().any(covers))
}

fn holds(field: &Field, seen: &Seen<'_>) -> bool {
    let value = match field.field.as_str() {
        "eventCategory" => {
            if seen.management {
                "Management"
            } else {
                "Data"
            }
        }
        "readOnly" => {
            if seen.read_only {
                "true"
            } else {
                "false"
            }
        }
        "eventSource" => seen.source,
        "eventName" => seen.name,
        "eventType" => "AwsApiCall",
        "sessionCredentialFromConsole" => "false",
        "userIdentity.arn" => seen.user,
        "resources.type" => seen.resource.map_or("", |(of, _)| of),
        "resources.ARN" => seen.resource.map_or("", |(_, arn)| arn),
        _ => return false,
    };
    let one =
        |values: &[String], test: &dyn Fn(&str) -> bool| values.is_empty() || values.iter().any(|v| test(v));
    let none = |values: &[String], test: &dyn Fn(&str) -> bool| !values.iter().any(|v| test(v));
    one(&field.equals, &|v| value == v)
        && one(&field.starts, &|v| value.starts_with(v))
        && one(&field.ends, &|v| value.ends_with(v))
        && none(&field.not_equals, &|v| value == v)
        && none(&field.not_starts, &|v| value.starts_with(v))
        && none(&field.not_ends, &|v| value.ends_with(v))
}

fn invalid(why: impl Into<String>) -> Error {
    error::invalid_event_selectors_exception(why)
}

/// Selectors as they came: one kind or the other.
///
/// # Errors
/// `InvalidEventSelectorsException` for what they may not be.
pub fn checked(
    basic: Option<Vec<EventSelector>>,
    advanced: Option<Vec<AdvancedEventSelector>>,
) -> Result<Selectors, Error> {
    let selectors = match (basic, advanced) {
        (Some(basic), None) => Selectors::Basic(checked_basic(basic)?),
        (None, Some(advanced)) => Selectors::Advanced(checked_advanced(advanced)?),
        _ => {
            return Err(invalid("Specify either EventSelectors or AdvancedEventSelectors, and not both."));
        }
    };
    let bytes = postcard::to_stdvec(&selectors).map_or(usize::MAX, |bytes| bytes.len());
    if bytes > MAX_BYTES {
        return Err(invalid(format!("The event selectors of a trail are at most {MAX_BYTES} bytes long.")));
    }
    Ok(selectors)
}

fn checked_basic(selectors: Vec<EventSelector>) -> Result<Vec<Basic>, Error> {
    if selectors.is_empty() || selectors.len() > MAX_BASIC {
        return Err(invalid(format!("A trail has 1 to {MAX_BASIC} event selectors.")));
    }
    let out = selectors.into_iter().map(checked_one).collect::<Result<Vec<Basic>, Error>>()?;
    let values = |selector: &Basic| selector.data.iter().map(|(_, values)| values.len()).sum::<usize>();
    if out.iter().map(values).sum::<usize>() > MAX_DATA {
        return Err(invalid(format!(
            "The event selectors of a trail have {MAX_DATA} data resources at most."
        )));
    }
    Ok(out)
}

fn checked_one(selector: EventSelector) -> Result<Basic, Error> {
    let kind = selector.read_write_type.as_deref().unwrap_or("All");
    let exclude = selector.exclude_management_event_sources.unwrap_or_default();
    if let Some(other) = exclude.iter().find(|source| !EXCLUDABLE.contains(&source.as_str())) {
        return Err(invalid(format!("{other} cannot be excluded: only KMS and the RDS Data API can.")));
    }
    let mut data = Vec::new();
    for resource in selector.data_resources.unwrap_or_default() {
        data.push(checked_resource(resource)?);
    }
    let management = selector.include_management_events.unwrap_or(true);
    Ok(Basic { reads: kind != "WriteOnly", writes: kind != "ReadOnly", management, exclude, data })
}

fn checked_resource(resource: DataResource) -> Result<(String, Vec<String>), Error> {
    let kind = resource.type_.unwrap_or_default();
    let prefix = match kind.as_str() {
        OBJECTS => "arn:aws:s3",
        FUNCTIONS => "arn:aws:lambda",
        other => return Err(invalid(format!("Ropeway has no data events of {other}."))),
    };
    let values = resource.values.unwrap_or_default();
    // `arn:aws:s3` and `arn:aws:s3:::` both are all objects; a bucket without a slash is no beginning of any.
    let sound = |value: &String| match value.strip_prefix(prefix) {
        Some("") => true,
        Some(":::") => kind == OBJECTS,
        Some(rest) if kind == OBJECTS => rest.starts_with(":::") && rest.contains('/'),
        Some(rest) => rest.starts_with(':') && rest.contains(":function:"),
        None => false,
    };
    match values.iter().find(|value| !sound(value)) {
        Some(value) => Err(invalid(format!("Value {value} for DataResources.Values is invalid."))),
        None => Ok((kind, values)),
    }
}

fn checked_advanced(selectors: Vec<AdvancedEventSelector>) -> Result<Vec<Advanced>, Error> {
    if selectors.is_empty() {
        return Err(invalid("AdvancedEventSelectors must not be empty."));
    }
    let mut conditions = 0;
    let mut out = Vec::new();
    for selector in selectors {
        let fields: Vec<Field> = selector.field_selectors.into_iter().map(field).collect();
        conditions += fields
            .iter()
            .map(|field| lists(field).into_iter().map(<[String]>::len).sum::<usize>())
            .sum::<usize>();
        check_fields(&fields)?;
        out.push(Advanced { name: selector.name, fields });
    }
    if conditions > MAX_CONDITIONS {
        return Err(invalid(format!(
            "The advanced event selectors of a trail have {MAX_CONDITIONS} values at most."
        )));
    }
    Ok(out)
}

fn field(said: AdvancedFieldSelector) -> Field {
    Field {
        field: said.field,
        equals: said.equals.unwrap_or_default(),
        starts: said.starts_with.unwrap_or_default(),
        ends: said.ends_with.unwrap_or_default(),
        not_equals: said.not_equals.unwrap_or_default(),
        not_starts: said.not_starts_with.unwrap_or_default(),
        not_ends: said.not_ends_with.unwrap_or_default(),
    }
}

fn lists(field: &Field) -> [&[String]; 6] {
    [&field.equals, &field.starts, &field.ends, &field.not_equals, &field.not_starts, &field.not_ends]
}

/// Fields of management events, and of data events.
const OF_MANAGEMENT: &[&str] = &[
    "eventCategory",
    "readOnly",
    "eventSource",
    "eventName",
    "eventType",
    "sessionCredentialFromConsole",
    "userIdentity.arn",
];
const OF_DATA: &[&str] = &[
    "eventCategory",
    "readOnly",
    "eventSource",
    "eventName",
    "eventType",
    "sessionCredentialFromConsole",
    "userIdentity.arn",
    "resources.type",
    "resources.ARN",
];

fn check_fields(fields: &[Field]) -> Result<(), Error> {
    let names: BTreeSet<&str> = fields.iter().map(|field| field.field.as_str()).collect();
    if names.len() < fields.len() {
        return Err(invalid("A field is named twice in an advanced event selector."));
    }
    let only_equals = |name: &str| -> Result<Option<&str>, Error> {
        let Some(field) = fields.iter().find(|field| field.field == name) else { return Ok(None) };
        match lists(field) {
            [[one], [], [], [], [], []] => Ok(Some(one.as_str())),
            _ => Err(invalid(format!("{name} takes the operator Equals and one value."))),
        }
    };
    let allowed = match only_equals("eventCategory")? {
        Some("Management") => OF_MANAGEMENT,
        Some("Data") => match only_equals("resources.type")? {
            Some(OBJECTS | FUNCTIONS) => OF_DATA,
            Some(other) => return Err(invalid(format!("Ropeway has no data events of {other}."))),
            None => return Err(invalid("Data events need the field resources.type.")),
        },
        Some(other) => return Err(invalid(format!("Ropeway has no events of the category {other}."))),
        None => return Err(invalid("Every advanced event selector needs the field eventCategory.")),
    };
    if !matches!(only_equals("readOnly")?, None | Some("true" | "false")) {
        return Err(invalid("readOnly is true or false."));
    }
    for field in fields {
        if !allowed.contains(&field.field.as_str()) {
            return Err(invalid(format!("The field {} is not valid here.", field.field)));
        }
        if lists(field).iter().all(|list| list.is_empty()) {
            return Err(invalid(format!("The field {} has no operator.", field.field)));
        }
    }
    Ok(())
}

/// Selectors as they are told.
pub fn told(selectors: &Selectors) -> (Option<Vec<EventSelector>>, Option<Vec<AdvancedEventSelector>>) {
    match selectors {
        Selectors::Basic(selectors) => (Some(selectors.iter().map(told_basic).collect()), None),
        Selectors::Advanced(selectors) => (None, Some(selectors.iter().map(told_advanced).collect())),
    }
}

fn told_basic(selector: &Basic) -> EventSelector {
    let kind = match (selector.reads, selector.writes) {
        (true, false) => "ReadOnly",
        (false, true) => "WriteOnly",
        _ => "All",
    };
    let data = selector
        .data
        .iter()
        .map(|(kind, values)| DataResource { type_: Some(kind.clone()), values: Some(values.clone()) });
    EventSelector {
        read_write_type: Some(kind.to_owned()),
        include_management_events: Some(selector.management),
        data_resources: Some(data.collect()),
        exclude_management_event_sources: Some(selector.exclude.clone()),
    }
}

fn told_advanced(selector: &Advanced) -> AdvancedEventSelector {
    let some = |list: &Vec<String>| (!list.is_empty()).then(|| list.clone());
    let fields = selector.fields.iter().map(|field| AdvancedFieldSelector {
        field: field.field.clone(),
        equals: some(&field.equals),
        starts_with: some(&field.starts),
        ends_with: some(&field.ends),
        not_equals: some(&field.not_equals),
        not_starts_with: some(&field.not_starts),
        not_ends_with: some(&field.not_ends),
    });
    AdvancedEventSelector { name: selector.name.clone(), field_selectors: fields.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen<'a>(management: bool, read_only: bool, resource: Option<(&'a str, &'a str)>) -> Seen<'a> {
        Seen { management, read_only, source: "s3.amazonaws.com", name: "PutObject", user: "arn:u", resource }
    }

    /// `ReadWriteType`, `IncludeManagementEvents`, and types with values.
    type Said<'a> = (Option<&'a str>, Option<bool>, &'a [(&'a str, &'a [&'a str])]);

    fn basic((kind, management, data): Said<'_>) -> EventSelector {
        let data = data.iter().map(|(kind, values)| DataResource {
            type_: Some((*kind).to_owned()),
            values: Some(values.iter().map(|value| (*value).to_owned()).collect()),
        });
        EventSelector {
            read_write_type: kind.map(str::to_owned),
            include_management_events: management,
            data_resources: Some(data.collect()),
            exclude_management_event_sources: None,
        }
    }

    #[test]
    fn basic_selectors_take_by_way_and_prefix() {
        let object = Some((OBJECTS, "arn:aws:s3:::b/in/x"));
        let function = Some((FUNCTIONS, "arn:aws:lambda:r:1:function:f"));
        let all = default();
        assert!(take(&all, &seen(true, true, None)) && !take(&all, &seen(false, true, object)));
        assert!(!take_data(&all));
        for (selector, event, expected) in [
            (basic((Some("WriteOnly"), None, &[])), seen(true, true, None), false),
            (basic((Some("WriteOnly"), None, &[])), seen(true, false, None), true),
            (basic((None, Some(false), &[])), seen(true, false, None), false),
            (basic((None, None, &[(OBJECTS, &["arn:aws:s3:::b/in/"])])), seen(false, false, object), true),
            (basic((None, None, &[(OBJECTS, &["arn:aws:s3:::b/out"])])), seen(false, false, object), false),
            (basic((None, None, &[(OBJECTS, &["arn:aws:s3"])])), seen(false, false, object), true),
            (basic((None, None, &[(OBJECTS, &["arn:aws:s3"])])), seen(false, false, function), false),
            (basic((None, None, &[(FUNCTIONS, &["arn:aws:lambda"])])), seen(false, false, function), true),
            (
                basic((None, None, &[(FUNCTIONS, &["arn:aws:lambda:r:1:function:fg"])])),
                seen(false, false, function),
                false,
            ),
        ] {
            let selectors = checked(Some(vec![selector]), None).unwrap();
            assert_eq!(take(&selectors, &event), expected);
        }
        for wrong in ["AWS::DynamoDB::Table", ""] {
            assert!(checked(Some(vec![basic((None, None, &[(wrong, &["x"])]))]), None).is_err());
        }
        assert!(
            checked(Some(vec![basic((None, None, &[(OBJECTS, &["arn:aws:s3:::bucket"])]))]), None).is_err()
        );
        assert!(checked(None, None).is_err());
    }

    #[test]
    fn advanced_selectors_hold_all_their_fields() {
        let equals = |name: &str, values: &[&str]| AdvancedFieldSelector {
            field: name.to_owned(),
            equals: Some(values.iter().map(|value| (*value).to_owned()).collect()),
            ..AdvancedFieldSelector::default()
        };
        let one = |fields: Vec<AdvancedFieldSelector>| {
            checked(None, Some(vec![AdvancedEventSelector { name: None, field_selectors: fields }]))
        };
        let object = Some((OBJECTS, "arn:aws:s3:::b/in/x"));
        let data = [equals("eventCategory", &["Data"]), equals("resources.type", &[OBJECTS])];
        let of = |more: AdvancedFieldSelector| one([data.to_vec(), vec![more]].concat());
        let starts = AdvancedFieldSelector {
            field: "resources.ARN".to_owned(),
            starts_with: Some(vec!["arn:aws:s3:::b/".to_owned()]),
            not_ends_with: Some(vec![".tmp".to_owned()]),
            ..AdvancedFieldSelector::default()
        };
        let selectors = of(starts).unwrap();
        assert!(take_data(&selectors) && take(&selectors, &seen(false, false, object)));
        assert!(!take(&selectors, &seen(false, false, Some((OBJECTS, "arn:aws:s3:::b/x.tmp")))));
        assert!(!take(&selectors, &seen(false, false, Some((OBJECTS, "arn:aws:s3:::c/x")))));
        let writes = of(equals("readOnly", &["false"])).unwrap();
        assert!(take(&writes, &seen(false, false, object)) && !take(&writes, &seen(false, true, object)));
        let names = of(equals("eventName", &["GetObject", "PutObject"])).unwrap();
        assert!(take(&names, &seen(false, false, object)));
        let management = one(vec![equals("eventCategory", &["Management"])]).unwrap();
        assert!(take(&management, &seen(true, true, None)) && !take_data(&management));
        for wrong in [
            vec![equals("readOnly", &["true"])],
            vec![equals("eventCategory", &["Insight"])],
            vec![equals("eventCategory", &["Data"])],
            vec![equals("eventCategory", &["Management"]), equals("resources.ARN", &["x"])],
            vec![equals("eventCategory", &["Management"]), equals("eventCategory", &["Management"])],
            vec![equals("eventCategory", &["Management"]), equals("readOnly", &["maybe"])],
        ] {
            assert!(one(wrong).is_err());
        }
    }
}
