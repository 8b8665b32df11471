import com.eatthepath.pushy.apns.auth.ApnsVerificationKey;
import com.eatthepath.pushy.apns.server.MockApnsServerBuilder;
import com.eatthepath.pushy.apns.server.MockApnsServerListener;
import com.eatthepath.pushy.apns.server.PushNotificationHandlerFactory;
import com.eatthepath.pushy.apns.server.RejectionReason;
import com.eatthepath.pushy.apns.server.ValidatingPushNotificationHandlerFactory;
import io.netty.buffer.ByteBuf;
import io.netty.channel.nio.NioEventLoopGroup;
import io.netty.handler.codec.http2.Http2Headers;
import java.io.File;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.Arrays;
import java.util.Base64;
import java.util.Map;
import java.util.Set;

/**
 * Pushy's mock of APNs, until its input ends. Prints its port, then a line for each push: the reason that it was
 * refused for, or ACCEPTED, and its payload.
 */
public final class Judge implements MockApnsServerListener {
    /** Files with certificate, its key and the team's public key; key id, team, topic; a token that is gone; others. */
    public static void main(String[] arguments) throws Exception {
        String keyId = arguments[3], team = arguments[4], topic = arguments[5], gone = arguments[6];
        Set<String> tokens = Set.of(Arrays.copyOfRange(arguments, 6, arguments.length));
        ApnsVerificationKey key = ApnsVerificationKey.loadFromPkcs8File(new File(arguments[2]), team, keyId);
        var strict = new ValidatingPushNotificationHandlerFactory(
            Map.of(topic, tokens),
            Map.of(gone, Instant.ofEpochMilli(1_700_000_000_000L)),
            Map.of(keyId, key),
            Map.of(key, Set.of(topic)));
        var server = new MockApnsServerBuilder()
            .setServerCredentials(new File(arguments[0]), new File(arguments[1]), null)
            .setUseAlpn(true)
            .setEventLoopGroup(new NioEventLoopGroup(1))
            .setHandlerFactory(reading(strict))
            .setListener(new Judge())
            .build();
        say("" + server.start(0).get());
        System.in.transferTo(System.err);
        System.exit(0);
    }

    /** Pushy signs, and so verifies, in ASN.1; a JWT has r and s side by side (RFC 7518), and Apple takes both. */
    private static PushNotificationHandlerFactory reading(PushNotificationHandlerFactory factory) {
        return session -> {
            var handler = factory.buildHandler(session);
            return (headers, payload) -> {
                CharSequence token = headers.get("authorization");
                if (token != null) {
                    headers.set("authorization", inAsn1(token.toString()));
                }
                handler.handlePushNotification(headers, payload);
            };
        };
    }

    private static String inAsn1(String token) {
        int end = token.lastIndexOf('.') + 1;
        byte[] raw = Base64.getUrlDecoder().decode(token.substring(end));
        byte[] r = new BigInteger(1, Arrays.copyOf(raw, raw.length / 2)).toByteArray();
        byte[] s = new BigInteger(1, Arrays.copyOfRange(raw, raw.length / 2, raw.length)).toByteArray();
        ByteBuffer asn1 = ByteBuffer.allocate(6 + r.length + s.length);
        asn1.put((byte) 0x30).put((byte) (4 + r.length + s.length));
        asn1.put((byte) 0x02).put((byte) r.length).put(r).put((byte) 0x02).put((byte) s.length).put(s);
        return token.substring(0, end) + Base64.getUrlEncoder().withoutPadding().encodeToString(asn1.array());
    }

    @Override
    public void handlePushNotificationAccepted(Http2Headers headers, ByteBuf payload) {
        say("ACCEPTED " + text(payload));
    }

    @Override
    public void handlePushNotificationRejected(
        Http2Headers headers, ByteBuf payload, RejectionReason reason, Instant since) {
        say(reason.name() + " " + text(payload));
    }

    private static String text(ByteBuf payload) {
        return payload == null ? "" : payload.toString(StandardCharsets.UTF_8);
    }

    private static void say(String line) {
        System.out.println(line);
        System.out.flush();
    }
}
