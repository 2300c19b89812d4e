//! What is done with records on their way to the destination: the processors, in AWS's order. What log subscriptions
//! put is unpacked first.
//!
//! <https://docs.aws.amazon.com/firehose/latest/APIReference/API_Processor.html>; the order is that of
//! <https://docs.aws.amazon.com/firehose/latest/dev/dynamic-partitioning-multirecord-deaggergation.html>.

pub mod logs;
pub mod query;
pub mod split;
pub mod transform;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ropeway_wire::Error;

use crate::delimiter;
use crate::destination::{invalid, refused};
use crate::model::{Processing, Processor};
use query::Query;
use split::Split;
use transform::Transformation;

/// What is to be done with records.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// `Decompression`
    pub decompressed: bool,
    /// `CloudWatchLogProcessing`
    pub extracted: bool,
    /// `RecordDeAggregation`
    pub split: Option<Split>,
    /// `Lambda`
    pub transformation: Option<Transformation>,
    /// `MetadataExtraction`
    pub query: Option<Query>,
    /// `AppendDelimiterToRecord`
    pub delimited: bool,
}

/// A processor's parameters, each to be taken once.
struct Parameters<'a> {
    kind: &'a str,
    left: Vec<(&'a str, &'a str)>,
}

impl<'a> Parameters<'a> {
    fn of(processor: &'a Processor) -> Self {
        let left = processor.parameters.iter().flatten().map(|(name, value)| (&**name, &**value)).collect();
        Parameters { kind: &processor.kind, left }
    }

    fn take(&mut self, name: &str) -> Option<&'a str> {
        let at = self.left.iter().position(|(known, _)| *known == name)?;
        Some(self.left.remove(at).1)
    }

    fn required(&mut self, name: &str) -> Result<&'a str, Error> {
        let missing = || invalid(format!("The processor {} needs the parameter {name}", self.kind));
        let at = self.left.iter().position(|(known, _)| *known == name).ok_or_else(missing)?;
        Ok(self.left.remove(at).1)
    }

    /// What is left is not of this processor, or came twice.
    fn end(self) -> Result<(), Error> {
        match self.left.first() {
            None => Ok(()),
            Some((name, _)) => Err(refused(format_args!("The parameter {name} of {}", self.kind))),
        }
    }
}

impl Plan {
    /// Reads processors, and checks them.
    pub fn parse(processing: Option<&Processing>) -> Result<Plan, Error> {
        let mut plan = Plan::default();
        let Some(processing) = processing else { return Ok(plan) };
        let mut seen: Vec<&str> = Vec::new();
        for processor in &processing.processors {
            if seen.contains(&&*processor.kind) {
                return Err(invalid(format!("The processor {} may be given once", processor.kind)));
            }
            seen.push(&processor.kind);
            plan.add(processor)?;
        }
        if plan.extracted && !plan.decompressed {
            let why = "CloudWatchLogProcessingProcessor can only be enabled with DecompressionProcessor";
            return Err(invalid(why));
        }
        Ok(if processing.enabled { plan } else { Plan::default() })
    }

    fn add(&mut self, processor: &Processor) -> Result<(), Error> {
        let mut parameters = Parameters::of(processor);
        match &*processor.kind {
            "Decompression" => {
                if let Some(other) = parameters.take("CompressionFormat").filter(|format| *format != "GZIP") {
                    return Err(invalid(format!(
                        "The CompressionFormat of Decompression must be GZIP, not {other}"
                    )));
                }
                self.decompressed = true;
            }
            "CloudWatchLogProcessing" => {
                if parameters.required("DataMessageExtraction")? != "true" {
                    return Err(invalid("DataMessageExtraction must be true"));
                }
                self.extracted = true;
            }
            "RecordDeAggregation" => self.split = Some(split(&mut parameters)?),
            "Lambda" => self.transformation = Some(transformation(&mut parameters)?),
            "MetadataExtraction" => {
                let engine = parameters.required("JsonParsingEngine")?;
                if engine != query::ENGINE {
                    return Err(invalid(format!("JsonParsingEngine must be {}", query::ENGINE)));
                }
                let text = parameters.required("MetadataExtractionQuery")?;
                self.query = Some(Query::parse(text).map_err(invalid)?);
            }
            "AppendDelimiterToRecord" => {
                if let Some(other) = parameters.take("Delimiter").filter(|name| *name != delimiter::NAME) {
                    return Err(refused(format_args!("The delimiter {other}; {} alone", delimiter::NAME)));
                }
                self.delimited = true;
            }
            other => return Err(refused(format_args!("The processor {other}"))),
        }
        parameters.end()
    }

    /// Whether records are delivered as they came, one after the other.
    pub fn keeps_records(&self) -> bool {
        !self.decompressed && self.split.is_none() && self.transformation.is_none() && self.query.is_none()
    }

    /// The function that records pass.
    pub fn function(&self) -> Option<&str> {
        self.transformation.as_ref().map(|transformation| &*transformation.function)
    }
}

fn split(parameters: &mut Parameters<'_>) -> Result<Split, Error> {
    match parameters.required("SubRecordType")? {
        "JSON" => Ok(Split::Json),
        "DELIMITED" => {
            let said = parameters.required("Delimiter")?;
            match BASE64.decode(said) {
                Ok(delimiter) if !delimiter.is_empty() => Ok(Split::Delimited(delimiter)),
                _ => Err(invalid("The Delimiter of RecordDeAggregation must be in base 64")),
            }
        }
        other => Err(invalid(format!("SubRecordType must be JSON or DELIMITED, not {other}"))),
    }
}

/// Ranges: <https://docs.aws.amazon.com/firehose/latest/dev/data-transformation.html>.
fn transformation(parameters: &mut Parameters<'_>) -> Result<Transformation, Error> {
    let function = parameters.required("LambdaArn")?;
    if !function.starts_with("arn:aws:lambda:") || !matches!(function.split(':').count(), 7 | 8) {
        return Err(invalid(format!("LambdaArn {function} is not the ARN of a function")));
    }
    let wrong = |name: &str| invalid(format!("The parameter {name} of Lambda is out of its range"));
    let retries = parameters.take("NumberOfRetries").map_or(Ok(transform::RETRIES), |said| {
        said.parse().ok().filter(|n| *n <= 300).ok_or_else(|| wrong("NumberOfRetries"))
    })?;
    let mebibytes = parameters.take("BufferSizeInMBs").map_or(Ok(1.0), |said| {
        let number = said.parse::<f64>().ok();
        number.filter(|n| (0.2..=3.0).contains(n)).ok_or_else(|| wrong("BufferSizeInMBs"))
    })?;
    // A batch is made of records that wait for their delivery already: it waits for none.
    let seconds = parameters.take("BufferIntervalInSeconds").map_or(Ok(60), str::parse::<u32>);
    seconds.ok().filter(|n| *n <= 900).ok_or_else(|| wrong("BufferIntervalInSeconds"))?;
    let role = parameters.take("RoleArn").map(str::to_owned);
    let batch_bytes = (mebibytes * 1024.0 * 1024.0) as usize;
    Ok(Transformation { function: function.to_owned(), retries, role, batch_bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(kind: &str, parameters: &[(&str, &str)]) -> Result<Plan, String> {
        let parameters = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let processor = Processor { kind: kind.to_owned(), parameters: Some(parameters.collect()) };
        let processing = Processing { enabled: true, processors: vec![processor] };
        Plan::parse(Some(&processing)).map_err(|error| error.message)
    }

    const FUNCTION: (&str, &str) = ("LambdaArn", "arn:aws:lambda:r:1:function:f:$LATEST");

    #[test]
    fn parameters_are_read_and_checked() {
        assert_eq!(
            parse("RecordDeAggregation", &[("SubRecordType", "JSON")]).unwrap().split,
            Some(Split::Json)
        );
        let hashes = [("SubRecordType", "DELIMITED"), ("Delimiter", "IyMjIw==")];
        let split = parse("RecordDeAggregation", &hashes).unwrap().split;
        assert_eq!(split, Some(Split::Delimited(b"####".to_vec())), "the example of the developer guide");
        assert!(parse("RecordDeAggregation", &[]).unwrap_err().contains("SubRecordType"));
        assert!(parse("RecordDeAggregation", &[hashes[0]]).unwrap_err().contains("Delimiter"));
        assert!(
            parse("RecordDeAggregation", &[hashes[0], ("Delimiter", "#")]).unwrap_err().contains("base 64")
        );

        let found = parse("Lambda", &[FUNCTION]).unwrap().transformation.unwrap();
        assert_eq!((found.retries, found.batch_bytes, found.role), (3, 1024 * 1024, None));
        let more = [
            FUNCTION,
            ("NumberOfRetries", "0"),
            ("BufferSizeInMBs", "0.2"),
            ("BufferIntervalInSeconds", "0"),
        ];
        assert_eq!(parse("Lambda", &more).unwrap().transformation.unwrap().retries, 0);
        for (name, value) in [
            ("NumberOfRetries", "301"),
            ("NumberOfRetries", "x"),
            ("BufferSizeInMBs", "3.1"),
            ("BufferSizeInMBs", "NaN"),
            ("BufferIntervalInSeconds", "901"),
            ("LambdaArn", "f"),
            ("Delimiter", "x"),
        ] {
            let parameters =
                if name == "LambdaArn" { vec![(name, value)] } else { vec![FUNCTION, (name, value)] };
            assert!(parse("Lambda", &parameters).unwrap_err().contains(name), "{name} {value}");
        }

        let query = [("JsonParsingEngine", "JQ-1.6"), ("MetadataExtractionQuery", "{a: .a}")];
        assert_eq!(
            parse("MetadataExtraction", &query).unwrap().query.unwrap().keys,
            Some(vec!["a".to_owned()])
        );
        assert!(
            parse("MetadataExtraction", &[("JsonParsingEngine", "JQ-9"), query[1]])
                .unwrap_err()
                .contains("JQ-1.6")
        );
        assert!(parse("MetadataExtraction", &query[..1]).unwrap_err().contains("MetadataExtractionQuery"));
        assert!(parse("AppendDelimiterToRecord", &[("Delimiter", "|")]).unwrap_err().contains("delimiter |"));
        assert!(parse("Other", &[]).unwrap_err().contains("The processor Other"));

        let gzip = ("CompressionFormat", "GZIP");
        assert!(parse("Decompression", &[gzip]).unwrap().decompressed && parse("Decompression", &[]).is_ok());
        assert!(parse("Decompression", &[("CompressionFormat", "ZIP")]).unwrap_err().contains("GZIP"));
        assert!(parse("CloudWatchLogProcessing", &[]).unwrap_err().contains("DataMessageExtraction"));
        let extraction =
            |value| parse("CloudWatchLogProcessing", &[("DataMessageExtraction", value)]).unwrap_err();
        assert!(extraction("false").contains("must be true"));
        // The words are AWS's: <https://github.com/aws/aws-cdk/pull/33749>.
        assert!(extraction("true").contains("can only be enabled with DecompressionProcessor"));
    }
}
