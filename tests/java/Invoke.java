// Lambda through the AWS SDK for Java 2: made, waited for, invoked each way, refused, deleted. Finds the server, and
// its credentials, by the environment. Arguments: the role's ARN, a function's archive.

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.http.urlconnection.UrlConnectionHttpClient;
import software.amazon.awssdk.services.lambda.LambdaClient;
import software.amazon.awssdk.services.lambda.model.FunctionConfiguration;
import software.amazon.awssdk.services.lambda.model.InvocationType;
import software.amazon.awssdk.services.lambda.model.InvokeResponse;
import software.amazon.awssdk.services.lambda.model.LogType;
import software.amazon.awssdk.services.lambda.model.ResourceNotFoundException;
import software.amazon.awssdk.services.lambda.model.TooManyRequestsException;

public class Invoke {
  static final String NAME = "java-sdk";

  static void check(boolean holds, Object what) {
    if (!holds) throw new AssertionError(what);
  }

  static InvokeResponse invoke(LambdaClient lambda, String event, InvocationType type) {
    return lambda.invoke(request -> request.functionName(NAME).payload(SdkBytes.fromUtf8String(event))
        .invocationType(type).logType(type == InvocationType.REQUEST_RESPONSE ? LogType.TAIL : LogType.NONE));
  }

  public static void main(String[] arguments) throws Exception {
    SdkBytes archive = SdkBytes.fromByteArray(Files.readAllBytes(Path.of(arguments[1])));
    try (LambdaClient lambda = LambdaClient.builder().httpClient(UrlConnectionHttpClient.create())
        .overrideConfiguration(settings -> settings.retryStrategy(retries -> retries.maxAttempts(1))).build()) {
      lambda.createFunction(request -> request.functionName(NAME).runtime("python3.11").handler("index.handler")
          .role(arguments[0]).timeout(30).code(code -> code.zipFile(archive)));
      FunctionConfiguration made = lambda.waiter().waitUntilFunctionActiveV2(request -> request.functionName(NAME))
          .matched().response().orElseThrow().configuration();
      check("Active".equals(made.stateAsString()), made);

      InvokeResponse answer = invoke(lambda, "{\"k\": \"wörld\"}", InvocationType.REQUEST_RESPONSE);
      check(answer.statusCode() == 200 && answer.functionError() == null, answer);
      check(answer.payload().asUtf8String().contains("\"version\": \"$LATEST\""), answer.payload().asUtf8String());
      String log = new String(Base64.getDecoder().decode(answer.logResult()), StandardCharsets.UTF_8);
      check(log.contains("REPORT RequestId"), log);
      answer = invoke(lambda, "{\"fail\": \"no luck\"}", InvocationType.REQUEST_RESPONSE);
      check("Unhandled".equals(answer.functionError()), answer);
      check(answer.payload().asUtf8String().contains("ValueError"), answer.payload().asUtf8String());
      check(invoke(lambda, "{}", InvocationType.EVENT).statusCode() == 202, "an event");
      check(invoke(lambda, "{}", InvocationType.DRY_RUN).statusCode() == 204, "a dry run");

      lambda.putFunctionConcurrency(request -> request.functionName(NAME).reservedConcurrentExecutions(0));
      try {
        invoke(lambda, "{}", InvocationType.REQUEST_RESPONSE);
        throw new AssertionError("it was not throttled");
      } catch (TooManyRequestsException error) {
        check("ReservedFunctionConcurrentInvocationLimitExceeded".equals(error.reasonAsString()), error);
      }
      lambda.deleteFunction(request -> request.functionName(NAME));
      try {
        invoke(lambda, "{}", InvocationType.REQUEST_RESPONSE);
        throw new AssertionError("it is still there");
      } catch (ResourceNotFoundException error) {
        check(error.statusCode() == 404, error);
      }
    }
    System.out.println("all is well");
  }
}
