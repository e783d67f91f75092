// A Java service that calls an API with Basic authentication, with the JDK's own client.
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.Base64;

public class Client {
  public static void main(String[] arguments) throws Exception {
    String login = "user:" + System.getenv("TICKETS_PASSWORD");
    HttpRequest request = HttpRequest.newBuilder(URI.create("https://tickets.example/api/2/search?jql=open"))
        .header("Authorization", "Basic " + Base64.getEncoder().encodeToString(login.getBytes()))
        .build();
    HttpResponse<String> answer = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
    System.out.println(answer.statusCode() + " " + answer.body());
  }
}
