//! Credentials in the fields of a form: S3's browser-based uploads. What is signed is the policy in base64, and nothing
//! else of the request (S3 API reference, "Authenticating Requests: Browser-Based Uploads Using POST").

use std::borrow::Cow;

use hmac::Mac;

use super::claim::Credential;
use super::date::Stamp;
use super::errors::{hex_bytes, invalid_field};
use super::{ALGORITHM, Family, keys};
use crate::Error;

/// A form's claim about who made its policy: well-formed but not yet checked.
#[derive(Debug, Clone)]
pub struct FormClaim<'a> {
    credential: Credential<'a>,
    signature: &'a str,
    policy: &'a str,
}

impl<'a> FormClaim<'a> {
    /// Reads the fields `x-amz-algorithm`, `x-amz-credential`, `x-amz-date`, `x-amz-signature` and `policy`.
    ///
    /// # Errors
    /// 400 `InvalidRequest` for another algorithm, `InvalidArgument` for a credential or a date of another form.
    pub fn parse([algorithm, credential, date, signature, policy]: [&'a str; 5]) -> Result<Self, Error> {
        if algorithm != ALGORITHM {
            return Err(Family::S3.unsupported_algorithm("AWS"));
        }
        let malformed = || {
            let message = "Error parsing the X-Amz-Credential parameter; the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".";
            invalid_field("X-Amz-Credential", credential, message)
        };
        let parsed = Credential::parse(Cow::Borrowed(credential)).map_err(|_| malformed())?;
        if parsed.service() != "s3" {
            return Err(malformed());
        }
        let stamp = Stamp::parse(date).filter(|stamp| stamp.date() == parsed.date());
        stamp.ok_or_else(|| {
            let message = "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\", of the credential's day";
            invalid_field("X-Amz-Date", date, message)
        })?;
        Ok(FormClaim { credential: parsed, signature, policy })
    }

    /// The access key that the policy is said to be signed with.
    pub fn access_key_id(&self) -> &str {
        self.credential.access_key_id()
    }

    /// The region of the credential scope.
    pub fn region(&self) -> &str {
        self.credential.region()
    }

    /// Checks the signature with the secret of its access key.
    ///
    /// # Errors
    /// 403 `SignatureDoesNotMatch`.
    pub fn verify(&self, secret: &str) -> Result<(), Error> {
        let scope = &self.credential;
        let key = keys::signing_key(secret, scope.date(), scope.region(), scope.service());
        let mut signature = [0; 32];
        let holds = hex::decode_to_slice(self.signature.as_bytes(), &mut signature).is_ok()
            && key.chain_update(self.policy).verify_slice(&signature).is_ok();
        if holds {
            return Ok(());
        }
        let message = "The request signature we calculated does not match the signature you provided. Check your key and signing method.";
        Err(Family::S3
            .refused(message)
            .with_member("AWSAccessKeyId", self.access_key_id())
            .with_member("StringToSign", self.policy)
            .with_member("SignatureProvided", self.signature)
            .with_member("StringToSignBytes", hex_bytes(self.policy.as_bytes())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREDENTIAL: &str = "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request";
    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    /// "Example: Browser-Based Upload using HTTP POST (Using AWS Signature Version 4)", S3 API reference.
    const POLICY: &str = "eyAiZXhwaXJhdGlvbiI6ICIyMDE1LTEyLTMwVDEyOjAwOjAwLjAwMFoiLA0KICAiY29uZGl0aW9ucyI6IFsNCiAgICB7ImJ1Y2tldCI6ICJzaWd2NGV4YW1wbGVidWNrZXQifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRrZXkiLCAidXNlci91c2VyMS8iXSwNCiAgICB7ImFjbCI6ICJwdWJsaWMtcmVhZCJ9LA0KICAgIHsic3VjY2Vzc19hY3Rpb25fcmVkaXJlY3QiOiAiaHR0cDovL3NpZ3Y0ZXhhbXBsZWJ1Y2tldC5zMy5hbWF6b25hd3MuY29tL3N1Y2Nlc3NmdWxfdXBsb2FkLmh0bWwifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRDb250ZW50LVR5cGUiLCAiaW1hZ2UvIl0sDQogICAgeyJ4LWFtei1tZXRhLXV1aWQiOiAiMTQzNjUxMjM2NTEyNzQifSwNCiAgICB7IngtYW16LXNlcnZlci1zaWRlLWVuY3J5cHRpb24iOiAiQUVTMjU2In0sDQogICAgWyJzdGFydHMtd2l0aCIsICIkeC1hbXotbWV0YS10YWciLCAiIl0sDQoNCiAgICB7IngtYW16LWNyZWRlbnRpYWwiOiAiQUtJQUlPU0ZPRE5ON0VYQU1QTEUvMjAxNTEyMjkvdXMtZWFzdC0xL3MzL2F3czRfcmVxdWVzdCJ9LA0KICAgIHsieC1hbXotYWxnb3JpdGhtIjogIkFXUzQtSE1BQy1TSEEyNTYifSwNCiAgICB7IngtYW16LWRhdGUiOiAiMjAxNTEyMjlUMDAwMDAwWiIgfQ0KICBdDQp9";
    const SIGNATURE: &str = "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e";

    #[test]
    fn the_documented_example_holds() {
        let fields = [ALGORITHM, CREDENTIAL, "20151229T000000Z", SIGNATURE, POLICY];
        let claim = FormClaim::parse(fields).unwrap();
        assert_eq!((claim.access_key_id(), claim.region()), ("AKIAIOSFODNN7EXAMPLE", "us-east-1"));
        assert_eq!(claim.verify(SECRET), Ok(()));
        assert_eq!(claim.verify("another").unwrap_err().code, "SignatureDoesNotMatch");
        for (at, other, code) in [
            (0, "AWS4-ECDSA-P256-SHA256", "InvalidRequest"),
            (1, "AKIA/20151229/us-east-1/sqs/aws4_request", "InvalidArgument"),
            (1, "AKIA", "InvalidArgument"),
            (2, "20151230T000000Z", "InvalidArgument"),
            (2, "today", "InvalidArgument"),
        ] {
            let mut changed = fields;
            changed[at] = other;
            assert_eq!(FormClaim::parse(changed).unwrap_err().code, code, "{other}");
        }
    }
}
