//! Code that stands in a template: packed into an archive, with the module by which custom resources answer.
//!
//! Source: the CloudFormation template reference, `Code` of `AWS::Lambda::Function`, and its page on the
//! `cfn-response` module.

use std::io::{Cursor, Write};

use ropeway_wire::Error;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// Most bytes of code in a template.
const MAX_BYTES: usize = 4 * 1024 * 1024;

const PYTHON: &str = include_str!("inline/cfnresponse.py");
const NODE: &str = include_str!("inline/cfn-response.js");

/// The archive of a source.
///
/// # Errors
/// For a runtime that takes no inline code, and for a source that is too large.
pub fn archive(runtime: &str, source: &str) -> Result<Vec<u8>, Error> {
    let invalid = |why: String| Error::new(400, "InvalidParameterValueException", why);
    let files = match runtime {
        python if python.starts_with("python") => [("index.py", source), ("cfnresponse.py", PYTHON)],
        node if node.starts_with("nodejs") => {
            [("index.js", source), ("node_modules/cfn-response/index.js", NODE)]
        }
        other => {
            return Err(invalid(format!(
                "ZipFile can only be used when Runtime is set to nodejs or python: {other}"
            )));
        }
    };
    if source.len() > MAX_BYTES {
        return Err(invalid(format!("ZipFile may have {MAX_BYTES} bytes at most")));
    }
    pack(&files).map_err(|why| Error::internal(format!("an archive: {why}")))
}

/// Every archive of the same files is the same: without times of day.
fn pack(files: &[(&str, &str)]) -> zip::result::ZipResult<Vec<u8>> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(zip::DateTime::default())
        .unix_permissions(0o644);
    for (name, text) in files {
        archive.start_file(*name, options)?;
        archive.write_all(text.as_bytes())?;
    }
    Ok(archive.finish()?.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_are_the_same_every_time() {
        let one = archive("python3.12", "def handler(event, context): pass").unwrap();
        assert_eq!(one, archive("python3.12", "def handler(event, context): pass").unwrap());
        let mut files = zip::ZipArchive::new(Cursor::new(one)).unwrap();
        assert!(files.by_name("index.py").is_ok() && files.by_name("cfnresponse.py").is_ok());
        assert!(archive("provided.al2023", "").is_err());
        assert!(archive("nodejs20.x", &"x".repeat(MAX_BYTES + 1)).is_err());
    }
}
