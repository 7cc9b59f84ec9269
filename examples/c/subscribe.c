/* A subscriber in C, with libzmq and cJSON (Debian: libzmq3-dev libcjson-dev):
 *
 *     cc -Wall -Wextra -o subscribe subscribe.c -lzmq -lcjson && ./subscribe [ENDPOINT [STREAM]]
 *
 * Prints a line for each event of a stream: its name, number, label or "-", and score. A message has two frames, the
 * topic and UTF-8 JSON; events of one session are numbered without gaps, so that a subscriber sees what it missed.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <zmq.h>

static char session[64];
static double expected;

static const char *text(const cJSON *object, const char *name)
{
    const char *value = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
    return value ? value : "-";
}

/* Say what was missed since the event before. */
static void follow(const cJSON *event)
{
    double number = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(event, "seq"));
    if (strcmp(session, text(event, "session")) != 0)
        snprintf(session, sizeof session, "%s", text(event, "session"));
    else if (number > expected)
        fprintf(stderr, "%s: missed %.0f events\n", text(event, "stream"), number - expected);
    expected = number + 1;
}

static void print_event(const char *json, size_t size)
{
    cJSON *event = cJSON_ParseWithLength(json, size);
    if (!event) {
        fprintf(stderr, "a message that is no JSON\n");
        return;
    }
    follow(event);
    const char *label = text(event, "label");
    const cJSON *scores = cJSON_GetObjectItemCaseSensitive(event, "scores");
    const cJSON *score = cJSON_GetObjectItemCaseSensitive(scores, label); /* NULL where scores are null */
    printf("%s %.0f %s %.4f\n", text(event, "stream"), expected - 1, label, score ? score->valuedouble : 0.0);
    fflush(stdout);
    cJSON_Delete(event);
}

int main(int argc, char **argv)
{
    const char *endpoint = argc > 1 ? argv[1] : "tcp://127.0.0.1:5557";
    char topic[80]; /* a stream's name has 64 characters at most; the last slash keeps "desk" from receiving "desk2" */
    snprintf(topic, sizeof topic, "emotion/%s/", argc > 2 ? argv[2] : "default");
    void *context = zmq_ctx_new();
    void *subscriber = zmq_socket(context, ZMQ_SUB);
    if (zmq_connect(subscriber, endpoint) != 0) {
        fprintf(stderr, "can't subscribe to %s: %s\n", endpoint, zmq_strerror(zmq_errno()));
        return 1;
    }
    zmq_setsockopt(subscriber, ZMQ_SUBSCRIBE, topic, strlen(topic));
    for (;;) {
        zmq_msg_t frame;
        zmq_msg_init(&frame);
        if (zmq_msg_recv(&frame, subscriber, 0) < 0) {
            if (zmq_errno() == EINTR)
                continue;
            return 1;
        }
        if (!zmq_msg_more(&frame)) /* the second of the two */
            print_event(zmq_msg_data(&frame), zmq_msg_size(&frame));
        zmq_msg_close(&frame);
    }
}
