/* The load client of the benchmarks: many WebSockets on one thread, fast enough not to be what is measured.
 *
 *   loadgen --port 8600 --subscribers 1000 --sessions 100 --appenders 100 --rate 1000 --seconds 5
 *
 * Subscribers follow session <prefix><i mod sessions> and take every event's latency from the send time that stands at
 * the beginning of its text; they check that versions come without a hole. With --all they follow the whole log and check
 * positions. Appenders start a message (with --audience for those only) and stream deltas into it: in a closed loop (each
 * sends its next command when the last one is acknowledged), or with --rate in an open one, where latency counts from the
 * moment at which a command was due. It says {"ready":true} when everyone is there, and at the end one JSON object with
 * what it saw.
 *
 * Each connection reads through one shared buffer; only the rest of an unfinished frame is kept per connection.
 */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000ll
#define DELTAS 2000          /* of one message, before the appender starts another: text is limited per message */
#define STAMPS (1 << 20)     /* slots of the file in which the gateway notes when each position was published */
#define SHARED (4 << 20)
#define BATCH_MAX 256

static struct options {
    int port, subscribers, returning, stalled, sessions, appenders, per_connection, batch, bytes;
    double rate, gather, heartbeat, warmup, seconds;
    bool until_caught_up, all;
    const char *prefix, *after, *returning_after, *stamps, *token, *audience;
} want = {.sessions = 1, .per_connection = 1, .batch = 1, .bytes = 200, .warmup = 1, .seconds = 3,
          .prefix = "b", .after = "\"end\"", .returning_after = "0"};

enum role { SUBSCRIBER, STALLED, RETURNING, APPENDER };  /* in the order of connections */
enum step { CONNECTING, UPGRADING, READY, GONE };

struct buffer { char *data; size_t used, size; };

struct connection {
    int fd, number;
    enum role role;
    enum step step;
    bool caught_up, writing;
    int in_flight;
    int64_t version;
    struct buffer rest, out;
};

struct appender { int connection, session, message, index; };

struct gathered { int count, numbers[BATCH_MAX]; int64_t times[BATCH_MAX]; };

struct histogram { uint64_t count, bucket[64 * 64]; int64_t most; };

static struct connection *connections;
static struct appender *appenders;
static struct gathered *gathered;  /* of each appending connection */
static int connected, caught_up, returned, ready_appenders, epoll, total, appending;
static bool measuring, sending;
static struct histogram delivery, store, ack;
static int64_t events, events_of_returning, frames, received, holes, acks, refused, closed, sent;
static int64_t began, all_returned_at;
static volatile int64_t *stamps;
static char *shared, first_refusal[400];

static void fail(const char *what) {
    fprintf(stderr, "loadgen: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * SECOND + t.tv_nsec;
}

/* -- Histograms: 64 steps for each power of two of nanoseconds, so within 1.6 % ------------------------------------ */

static void record(struct histogram *h, int64_t ns) {
    if (ns < 64) ns = 64;
    int power = 63 - __builtin_clzll((uint64_t)ns);
    h->bucket[power * 64 + ((ns >> (power - 6)) & 63)]++;
    h->count++;
    if (ns > h->most) h->most = ns;
}

static double quantile(const struct histogram *h, double share) {
    uint64_t wanted = (uint64_t)((double)h->count * share), seen = 0;
    for (int i = 0; i < 64 * 64; i++)
        if ((seen += h->bucket[i]) > wanted)
            return (double)((64 + i % 64) * (1ll << (i / 64)) / 64) / 1e6;
    return (double)h->most / 1e6;
}

static void print_histogram(const char *name, const struct histogram *h) {
    if (h->count)
        printf("\"%s\":{\"count\":%" PRIu64 ",\"p50\":%.4f,\"p99\":%.4f,\"max\":%.4f},", name, h->count,
               quantile(h, 0.5), quantile(h, 0.99), (double)h->most / 1e6);
}

/* -- Writing ------------------------------------------------------------------------------------------------------- */

static void append(struct buffer *b, const void *data, size_t size) {
    if (b->used + size > b->size) {
        b->size = (b->used + size) * 2;
        b->data = realloc(b->data, b->size);
        if (!b->data) fail("out of memory");
    }
    memcpy(b->data + b->used, data, size);
    b->used += size;
}

static void watch(struct connection *c, uint32_t mask, int how) {
    struct epoll_event e = {.events = mask, .data.ptr = c};
    if (epoll_ctl(epoll, how, c->fd, &e)) fail("epoll_ctl");
}

static void leave(struct connection *c) {
    if (c->step == READY) connected--;
    closed++;
    c->step = GONE;
    close(c->fd);
}

static void flush(struct connection *c) {
    size_t done = 0;
    while (c->step != GONE && done < c->out.used) {
        ssize_t n = send(c->fd, c->out.data + done, c->out.used - done, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) break;
        if (n < 0) { leave(c); return; }
        done += (size_t)n;
    }
    memmove(c->out.data, c->out.data + done, c->out.used - done);
    c->out.used -= done;
    bool waits = c->out.used > 0;
    if (c->step != GONE && waits != c->writing) {
        c->writing = waits;
        watch(c, EPOLLIN | (waits ? EPOLLOUT : 0), EPOLL_CTL_MOD);
    }
}

/* One masked frame, as a client must send it (RFC 6455, section 5.3). */
static void put_frame(struct connection *c, int opcode, const char *payload, size_t size) {
    static const uint8_t key[4] = {0x5a, 0xc3, 0x17, 0x9e};
    uint8_t head[14] = {(uint8_t)(0x80 | opcode)};
    size_t length = 2;
    if (size < 126) head[1] = (uint8_t)(0x80 | size);
    else if (size < 65536) {
        head[1] = 0x80 | 126;
        head[2] = (uint8_t)(size >> 8);
        head[3] = (uint8_t)size;
        length = 4;
    } else {
        head[1] = 0x80 | 127;
        for (int i = 0; i < 8; i++) head[2 + i] = (uint8_t)((uint64_t)size >> (56 - 8 * i));
        length = 10;
    }
    memcpy(head + length, key, 4);
    append(&c->out, head, length + 4);
    append(&c->out, payload, size);
    uint8_t *masked = (uint8_t *)c->out.data + c->out.used - size;
    for (size_t i = 0; i < size; i++) masked[i] ^= key[i & 3];
}

static void put_text(struct connection *c, const char *text) { put_frame(c, 1, text, strlen(text)); }

/* -- Appenders ----------------------------------------------------------------------------------------------------- */

static char *padding;

/* An appender's next command: its message's start, or the next delta. The id carries the appender and the time. */
static int command(char *into, size_t room, int number, int64_t at) {
    struct appender *a = &appenders[number];
    if (a->index == DELTAS) { a->message++; a->index = -1; }
    int index = a->index++;
    if (index < 0)
        return snprintf(into, room,
                        "{\"frame\":\"command\",\"id\":\"a%d-%" PRId64 "-s%d\",\"session\":\"%s%d\","
                        "\"do\":\"message.start\",\"data\":{\"message\":\"m%d.%d\"%s%s%s}}",
                        number, at, a->message, want.prefix, a->session, number, a->message,
                        want.audience ? ",\"audience\":[\"" : "", want.audience ? want.audience : "",
                        want.audience ? "\"]" : "");
    return snprintf(into, room,
                    "{\"frame\":\"command\",\"id\":\"a%d-%" PRId64 "-%d\",\"session\":\"%s%d\",\"do\":\"message.delta\","
                    "\"data\":{\"message\":\"m%d.%d\",\"index\":%d,\"text\":\"%019" PRId64 " %s\"}}",
                    number, at, index, want.prefix, a->session, number, a->message, index, at, padding);
}

static void send_commands(struct connection *c, const int *numbers, const int64_t *times, int count) {
    static char text[BATCH_MAX * 4096];
    size_t used = 0;
    if (count > 1) text[used++] = '[';
    for (int i = 0; i < count; i++) {
        if (i) text[used++] = ',';
        used += (size_t)command(text + used, sizeof text - used - 2, numbers[i], times[i]);
    }
    if (count > 1) text[used++] = ']';
    put_frame(c, 1, text, used);
    c->in_flight += count;
    sent += count;
}

static int first_appender(const struct connection *c) {
    return (c->number - (total - appending)) * want.per_connection;
}

static int appenders_on(const struct connection *c) {
    int left = want.appenders - first_appender(c);
    return left < want.per_connection ? left : want.per_connection;
}

/* Closed loop with several commands a frame: the connection's appenders act together. */
static void send_together(struct connection *c) {
    int numbers[BATCH_MAX], count = appenders_on(c);
    int64_t times[BATCH_MAX], at = now();
    for (int i = 0; i < count; i++) { numbers[i] = first_appender(c) + i; times[i] = at; }
    send_commands(c, numbers, times, count);
}

static void start_appender(struct connection *c) {
    if (want.batch > 1 && want.rate == 0) { send_together(c); return; }
    for (int i = 0; i < appenders_on(c); i++) {
        int number = first_appender(c) + i;
        int64_t at = now();
        send_commands(c, &number, &at, 1);
    }
}

static void answered(struct connection *c, const char *id, const char *end, bool good) {
    char *after;
    if (*id != 'a' || end - id < 3) return;
    int number = (int)strtol(id + 1, &after, 10);
    int64_t at = strtoll(after + 1, &after, 10);
    c->in_flight--;
    if (measuring) {
        if (good) { acks++; record(&ack, now() - at); }
        else refused++;
    }
    if (want.rate > 0) {
        if (!sending && after[1] == 's') ready_appenders++;
        return;
    }
    if (want.batch > 1) {
        if (c->in_flight == 0) send_together(c);
        return;
    }
    int64_t next = now();
    send_commands(c, &number, &next, 1);
}

static void send_gathered(int number) {
    struct connection *c = &connections[total - appending + number];
    struct gathered *g = &gathered[number];
    if (g->count && c->step == READY) { send_commands(c, g->numbers, g->times, g->count); flush(c); }
    g->count = 0;
}

/* Open loop: send what is due, in turn over all appenders; what a connection's appenders have together goes in one
   message. Returns when to send again: when the next command is due, but not before the time for gathering is over. */
static int64_t send_due(void) {
    static int64_t due;
    static int turn;
    int64_t at = now(), step = (int64_t)(SECOND / want.rate), next = at + (int64_t)(want.gather * SECOND);
    if (!due) due = at;
    for (; due <= at; due += step, turn = (turn + 1) % want.appenders) {
        int number = appenders[turn].connection - (total - appending);
        struct gathered *g = &gathered[number];
        g->numbers[g->count] = turn;
        g->times[g->count++] = due;
        if (g->count == want.batch) send_gathered(number);
    }
    for (int i = 0; i < appending; i++) send_gathered(i);
    return due > next ? due : next;
}

/* -- Reading ------------------------------------------------------------------------------------------------------- */

static const char *find(const char *at, const char *end, const char *what, size_t size) {
    return at < end ? memmem(at, (size_t)(end - at), what, size) : NULL;
}

#define FIND(at, end, literal) find(at, end, literal, sizeof literal - 1)

static int64_t number_at(const char **at) {
    int64_t n = 0;
    while (**at >= '0' && **at <= '9') n = n * 10 + *(*at)++ - '0';
    return n;
}

static void note_latency(struct connection *c, int64_t position, int64_t sent_at, int64_t at) {
    if (c->role != SUBSCRIBER || !measuring || !sent_at) return;
    record(&delivery, at - sent_at);
    if (stamps && stamps[position % STAMPS]) record(&store, at - stamps[position % STAMPS]);
}

/* An event: {"position":1,"session":"b0","version":1,"id":"<36>","type":"message.delta",… "text":"<time> …"}}. */
static void take_events(struct connection *c, const char *at, const char *end) {
    int64_t received_at = now(), count = 0;
    while ((at = FIND(at, end, "{\"position\":"))) {
        at += 12;
        int64_t position = number_at(&at);
        at = FIND(at, end, "\"version\":");
        if (!at) break;
        at += 10;
        int64_t version = number_at(&at);
        if (want.all) version = position;
        if (c->version >= 0 && version != c->version + 1) holes++;
        c->version = version;
        count++;
        if (end - at < 80 || memcmp(at + 53, "message.delta", 13)) continue;
        at = FIND(at + 66, end, "\"text\":\"");
        if (!at) break;
        at += 8;
        int64_t sent_at = number_at(&at);
        note_latency(c, position, sent_at, received_at);
        at += want.bytes - 20;
    }
    if (c->role == RETURNING && !all_returned_at) events_of_returning += count;
    if (measuring && c->role != RETURNING) events += count;
}

static void take_answers(struct connection *c, const char *at, const char *end) {
    const char *next;
    while ((next = FIND(at, end, "\"frame\":\""))) {
        at = next + 9;
        if (!strncmp(at, "ack\",\"id\":\"", 11)) answered(c, at + 11, end, true);
        else if (!strncmp(at, "refused\",\"id\":\"", 15)) {
            int size = end - at < 390 ? (int)(end - at) : 390;
            if (!*first_refusal) snprintf(first_refusal, sizeof first_refusal, "%.*s", size, at);
            answered(c, at + 15, end, false);
        } else if (!strncmp(at, "refused", 7)) {
            fprintf(stderr, "loadgen: %.*s\n", (int)(end - at), at);
            exit(1);
        } else if (!strncmp(at, "welcome", 7) && c->role == APPENDER) start_appender(c);
        else if (!strncmp(at, "caught_up", 9) && !c->caught_up) {
            c->caught_up = true;
            if (c->role != RETURNING) caught_up++;
            else if (++returned == want.returning) all_returned_at = now();
            if (c->role == STALLED && epoll_ctl(epoll, EPOLL_CTL_DEL, c->fd, NULL)) fail("epoll_ctl");
        }
    }
}

static void take_text(struct connection *c, const char *at, const char *end) {
    frames += measuring;
    if (end - at > 17 && !memcmp(at, "{\"frame\":\"events\"", 17)) take_events(c, at, end);
    else take_answers(c, at, end);
}

/* Handle every whole frame; returns how many bytes were used. */
static size_t take_frames(struct connection *c, const char *data, size_t size) {
    size_t used = 0;
    while (c->step == READY && size - used >= 2) {
        const uint8_t *head = (const uint8_t *)data + used;
        uint64_t length = head[1] & 127, start = 2;
        if (length == 126) start = 4;
        if (length == 127) start = 10;
        if (size - used < start) break;
        if (start == 4) length = (uint64_t)head[2] << 8 | head[3];
        if (start == 10) length = be64toh(*(const uint64_t *)(head + 2));
        if (size - used < start + length) break;
        const char *payload = data + used + start;
        int opcode = head[0] & 15;
        if (opcode == 1) take_text(c, payload, payload + length);
        if (opcode == 9) put_frame(c, 10, payload, length);
        if (opcode == 8) leave(c);
        used += start + length;
    }
    return used;
}

/* Where a subscriber begins, as JSON: a version, or "end". */
static const char *place(const struct connection *c) {
    return c->role == RETURNING ? want.returning_after : want.after;
}

static void greet(struct connection *c) {
    char text[1024];
    if (want.token)
        snprintf(text, sizeof text, "{\"frame\":\"hello\",\"protocol\":1,\"token\":\"%s\"}", want.token);
    else
        snprintf(text, sizeof text, "{\"frame\":\"hello\",\"protocol\":1,\"participant\":\"c%d\",\"kind\":\"agent\"}",
                 c->number);
    put_text(c, text);
    if (c->role == APPENDER) return;
    if (want.all)
        snprintf(text, sizeof text, "{\"frame\":\"subscribe\",\"sub\":\"s\",\"all\":true,\"after\":%s}", place(c));
    else
        snprintf(text, sizeof text, "{\"frame\":\"subscribe\",\"sub\":\"s\",\"session\":\"%s%d\",\"after\":%s}",
                 want.prefix, c->number % want.sessions, place(c));
    put_text(c, text);
}

static size_t upgrade(struct connection *c, const char *data, size_t size) {
    const char *end = FIND(data, data + size, "\r\n\r\n");
    if (!end) return 0;
    if (strncmp(data, "HTTP/1.1 101", 12)) { fprintf(stderr, "loadgen: %.60s\n", data); exit(1); }
    c->step = READY;
    connected++;
    greet(c);
    return (size_t)(end - data) + 4;
}

static void take(struct connection *c) {
    memcpy(shared, c->rest.data, c->rest.used);
    size_t size = c->rest.used, used = 0;
    ssize_t n = recv(c->fd, shared + size, SHARED - size, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) { leave(c); return; }
    if (measuring) received += n;
    size += (size_t)n;
    if (c->step == UPGRADING) used = upgrade(c, shared, size);
    if (c->step == READY) used += take_frames(c, shared + used, size - used);
    c->rest.used = 0;
    append(&c->rest, shared + used, size - used);
    if (c->rest.size > 65536 && c->rest.used < 4096) {
        c->rest.size = c->rest.used + 1;
        c->rest.data = realloc(c->rest.data, c->rest.size);
    }
    flush(c);
}

static void start_connection(struct connection *c) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)want.port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (c->fd < 0) fail("socket");
    int one = 1, little = 65536;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (c->role == STALLED) setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &little, sizeof little);
    if (connect(c->fd, (struct sockaddr *)&address, sizeof address) && errno != EINPROGRESS) fail("connect");
    c->step = CONNECTING;
    c->writing = true;
    c->version = *place(c) == '"' ? -1 : atoll(place(c));
    watch(c, EPOLLOUT, EPOLL_CTL_ADD);
}

static void on_ready(struct connection *c, uint32_t what) {
    static const char request[] =
        "GET /v1/ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    if (c->step == CONNECTING) {
        int error = 0;
        socklen_t size = sizeof error;
        getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error) { errno = error; fail("connect"); }
        c->step = UPGRADING;
        append(&c->out, request, sizeof request - 1);
        flush(c);
        return;
    }
    if (what & (EPOLLIN | EPOLLHUP | EPOLLERR)) take(c);
    if (c->step != GONE && what & EPOLLOUT) flush(c);
}

/* -- The run ------------------------------------------------------------------------------------------------------- */

static void turn(int64_t until) {
    struct epoll_event ready[512];
    int64_t left = until - now();
    struct timespec wait = {left > 0 ? left / SECOND : 0, left > 0 ? left % SECOND : 0};
    int n = epoll_pwait2(epoll, ready, 512, &wait, NULL);
    if (n < 0 && errno != EINTR) fail("epoll_pwait2");
    for (int i = 0; i < n; i++) {
        struct connection *c = ready[i].data.ptr;
        if (c->step != GONE) on_ready(c, ready[i].events);
    }
}

/* Everyone shows once in `heartbeat` seconds that it is there, evenly spread. Returns when the next one is due. */
static int64_t send_heartbeats(void) {
    static int64_t due;
    static int turn;
    int64_t at = now(), step = (int64_t)(want.heartbeat * SECOND / total);
    if (!due) due = at;
    for (; due <= at; due += step, turn = (turn + 1) % total) {
        struct connection *c = &connections[turn];
        if (c->step == READY) { put_text(c, "{\"frame\":\"heartbeat\"}"); flush(c); }
    }
    return due;
}

static void run_until(int64_t until) {
    while (now() < until) {
        int64_t next = sending ? send_due() : until;
        if (want.heartbeat > 0) {
            int64_t beat = send_heartbeats();
            if (beat < next) next = beat;
        }
        turn(next < until ? next : until);
    }
}

static void open_all(void) {
    int everyone = total - want.returning, opened = 0, expected = want.subscribers + want.stalled;
    int64_t deadline = now() + 60 * SECOND;
    while (connected < everyone || caught_up < expected || (want.rate > 0 && ready_appenders < want.appenders)) {
        if (now() > deadline) { errno = ETIMEDOUT; fail("not everyone got connected"); }
        if (closed) { errno = ECONNRESET; fail("connections were closed while connecting"); }
        for (; opened < everyone && opened - connected < 200; opened++)
            start_connection(&connections[opened + (opened >= expected ? want.returning : 0)]);
        turn(now() + SECOND / 100);
    }
}

static void make_population(void) {
    appending = (want.appenders + want.per_connection - 1) / want.per_connection;
    total = want.subscribers + want.stalled + want.returning + appending;
    connections = calloc((size_t)total, sizeof *connections);
    appenders = calloc((size_t)want.appenders + 1, sizeof *appenders);
    gathered = calloc((size_t)appending + 1, sizeof *gathered);
    for (int i = 0; i < total; i++) {
        const int ends[] = {want.subscribers, want.subscribers + want.stalled, total - appending, total};
        connections[i].number = i;
        while (i >= ends[connections[i].role]) connections[i].role++;
    }
    for (int i = 0; i < want.appenders; i++)
        appenders[i] = (struct appender){total - appending + i / want.per_connection, i % want.sessions, 0, -1};
    padding = malloc((size_t)want.bytes);
    memset(padding, 'x', (size_t)want.bytes);
    padding[want.bytes - 20] = 0;
}

static double cpu(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void options(int count, char **values) {
    static const struct option known[] = {
        {"port", 1, 0, 'p'}, {"subscribers", 1, 0, 's'}, {"returning", 1, 0, 'r'}, {"stalled", 1, 0, 'x'},
        {"sessions", 1, 0, 'n'}, {"appenders", 1, 0, 'a'}, {"per-connection", 1, 0, 'k'}, {"batch", 1, 0, 'b'},
        {"bytes", 1, 0, 'y'}, {"rate", 1, 0, 'R'}, {"gather", 1, 0, 'g'}, {"heartbeat", 1, 0, 'h'},
        {"warmup", 1, 0, 'w'}, {"seconds", 1, 0, 't'},
        {"prefix", 1, 0, 'P'}, {"after", 1, 0, 'A'}, {"returning-after", 1, 0, 'B'}, {"stamps", 1, 0, 'S'},
        {"until-caught-up", 0, 0, 'u'}, {"all", 0, 0, 'l'}, {"token", 1, 0, 'T'}, {"audience", 1, 0, 'd'}, {0}};
    for (int c; (c = getopt_long(count, values, "", known, NULL)) != -1;)
        switch (c) {
        case 'p': want.port = atoi(optarg); break;
        case 's': want.subscribers = atoi(optarg); break;
        case 'r': want.returning = atoi(optarg); break;
        case 'x': want.stalled = atoi(optarg); break;
        case 'n': want.sessions = atoi(optarg); break;
        case 'a': want.appenders = atoi(optarg); break;
        case 'k': want.per_connection = atoi(optarg); break;
        case 'b': want.batch = atoi(optarg); break;
        case 'y': want.bytes = atoi(optarg); break;
        case 'R': want.rate = atof(optarg); break;
        case 'g': want.gather = atof(optarg); break;
        case 'h': want.heartbeat = atof(optarg); break;
        case 'w': want.warmup = atof(optarg); break;
        case 't': want.seconds = atof(optarg); break;
        case 'P': want.prefix = optarg; break;
        case 'A': want.after = optarg; break;
        case 'B': want.returning_after = optarg; break;
        case 'S': want.stamps = optarg; break;
        case 'u': want.until_caught_up = true; break;
        case 'l': want.all = true; break;
        case 'T': want.token = optarg; break;
        case 'd': want.audience = optarg; break;
        default: exit(2);
        }
    if (want.bytes < 21 || want.bytes > 3000 || want.batch > BATCH_MAX || want.per_connection > BATCH_MAX) {
        fprintf(stderr, "loadgen: out of range\n");
        exit(2);
    }
}

static void map_stamps(void) {
    int file = open(want.stamps, O_RDONLY);
    if (file < 0) fail(want.stamps);
    stamps = mmap(NULL, STAMPS * sizeof *stamps, PROT_READ, MAP_SHARED, file, 0);
    if (stamps == MAP_FAILED) fail(want.stamps);
}

int main(int count, char **values) {
    options(count, values);
    make_population();
    shared = malloc(SHARED);
    epoll = epoll_create1(0);
    if (want.stamps) map_stamps();
    bool from_start = want.until_caught_up && !want.returning;
    measuring = from_start;
    began = now();
    double used = cpu();
    open_all();
    double connecting = (double)(now() - began) / 1e9;
    puts("{\"ready\":true}");
    fflush(stdout);
    if (!from_start) {
        sending = want.rate > 0;
        run_until(now() + (int64_t)(want.warmup * SECOND));
        measuring = true;
        began = now();
        used = cpu();
        for (int i = 0; i < total; i++)
            if (connections[i].role == RETURNING) start_connection(&connections[i]);
        run_until(began + (int64_t)(want.seconds * SECOND));
    }
    double seconds = (double)(now() - began) / 1e9;
    printf("{\"seconds\":%.4f,\"connecting\":%.4f,\"cpu\":%.4f,\"events\":%" PRId64 ",\"frames\":%" PRId64
           ",\"received\":%" PRId64 ",\"holes\":%" PRId64 ",\"acks\":%" PRId64 ",\"refused\":%" PRId64
           ",\"sent\":%" PRId64 ",\"closed\":%" PRId64 ",\"returned\":%" PRId64 ",\"returned_after\":%.4f,",
           seconds, connecting, (cpu() - used) / seconds, events, frames, received, holes, acks, refused, sent, closed,
           events_of_returning, all_returned_at ? (double)(all_returned_at - began) / 1e9 : -1);
    print_histogram("delivery", &delivery);
    print_histogram("store", &store);
    print_histogram("ack", &ack);
    printf("\"connected\":%d}\n", connected);
    if (*first_refusal) fprintf(stderr, "loadgen: first refusal: %s\n", first_refusal);
    return 0;
}
