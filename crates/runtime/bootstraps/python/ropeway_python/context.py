"""The context object."""

import os
import time

from .errors import Fault


def _show(value, names):
    fields = ",".join("{}={}".format(name, getattr(value, name)) for name in names)
    return "{}([{}])".format(type(value).__name__, fields)


class _Members(object):
    """An object of fixed members, taken from a mapping; what it lacks is None."""

    __slots__ = ()

    def __init__(self, values):
        for name in self.__slots__:
            setattr(self, name, values.get(name))

    def __repr__(self):
        return _show(self, self.__slots__)


class CognitoIdentity(_Members):
    __slots__ = ["cognito_identity_id", "cognito_identity_pool_id"]


class Client(_Members):
    __slots__ = ["installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name"]


class ClientContext(_Members):
    __slots__ = ["custom", "env", "client"]


class LambdaContext(object):
    """What a handler is told of its invocation."""

    def __init__(self, headers, client_context, identity):
        environment = os.environ.get
        self.aws_request_id = headers["lambda-runtime-aws-request-id"]
        self.log_group_name = environment("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = environment("AWS_LAMBDA_LOG_STREAM_NAME")
        self.function_name = environment("AWS_LAMBDA_FUNCTION_NAME")
        self.memory_limit_in_mb = environment("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.function_version = environment("AWS_LAMBDA_FUNCTION_VERSION")
        self.invoked_function_arn = headers.get("lambda-runtime-invoked-function-arn")
        self.tenant_id = headers.get("lambda-runtime-aws-tenant-id")
        self.client_context = None
        if client_context is not None:
            self.client_context = ClientContext(client_context)
            if self.client_context.client is not None:
                self.client_context.client = Client(self.client_context.client)
        self.identity = CognitoIdentity(
            {
                "cognito_identity_id": identity.get("cognitoIdentityId"),
                "cognito_identity_pool_id": identity.get("cognitoIdentityPoolId"),
            }
        )
        self._deadline_ms = int(headers.get("lambda-runtime-deadline-ms", "0"))

    def get_remaining_time_in_millis(self):
        """Milliseconds until the invocation is ended; 0 when it is over."""
        return max(0, self._deadline_ms - int(time.time() * 1000))

    def log(self, msg):
        """Logs a message as it is, without an end of line."""
        from . import logs

        logs.write(str(msg))

    def __repr__(self):
        return _show(
            self,
            [
                "aws_request_id",
                "log_group_name",
                "log_stream_name",
                "function_name",
                "memory_limit_in_mb",
                "function_version",
                "invoked_function_arn",
                "client_context",
                "identity",
                "tenant_id",
            ],
        )


def _parse(text, name):
    if not text:
        return None
    import json

    try:
        return json.loads(text)
    except Exception as error:
        raise Fault("Runtime.LambdaContextUnmarshalError", "Unable to parse {} JSON: {}".format(name, error))


def from_headers(headers):
    """The context of an invocation, from the Runtime API's headers."""
    client_context = _parse(headers.get("lambda-runtime-client-context"), "Client Context")
    identity = _parse(headers.get("lambda-runtime-cognito-identity"), "Cognito Identity")
    return LambdaContext(headers, client_context, identity or {})
