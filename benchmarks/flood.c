/*
 * Modbus TCP clients that ask for ten holding registers as fast as they are
 * answered, like flood.py, but cheap enough to let a server show what it can do.
 *
 *     flood PORT CONNECTIONS PIPELINED SECONDS
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define COUNT 10
#define REQUEST 12
#define REPLY (9 + 2 * COUNT)
#define MOST 8
#define IDS 64
#define WARM_UP 0.3

struct client {
    int fd, turn, came;
    unsigned char bytes[MOST * REPLY];
};

static unsigned char asked[IDS][MOST * REQUEST], right[IDS][MOST * REPLY];

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static void die(const char *why)
{
    perror(why);
    exit(1);
}

static void write_messages(int pipelined)
{
    for (int turn = 0; turn < IDS; turn++)
        for (int place = 0; place < pipelined; place++) {
            int id = turn * pipelined + place;
            unsigned char request[REQUEST] = {id >> 8, id, 0, 0, 0, 6, 1, 3, 0, 0, 0, COUNT};
            unsigned char reply[REPLY] = {id >> 8, id, 0, 0, 0, 3 + 2 * COUNT, 1, 3, 2 * COUNT};
            for (int each = 0; each < COUNT; each++)
                reply[10 + 2 * each] = each;
            memcpy(asked[turn] + place * REQUEST, request, REQUEST);
            memcpy(right[turn] + place * REPLY, reply, REPLY);
        }
}

static void ask(struct client *client, int pipelined)
{
    if (send(client->fd, asked[client->turn], pipelined * REQUEST, 0) != pipelined * REQUEST)
        die("send");
}

int main(int count, char **arguments)
{
    if (count != 5)
        return 2;
    int connections = atoi(arguments[2]), pipelined = atoi(arguments[3]), size = pipelined * REPLY, one = 1;
    double seconds = atof(arguments[4]);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(arguments[1]))};
    struct client *clients = calloc(connections, sizeof *clients);
    struct epoll_event events[64];
    long answers = 0, wrong = 0;
    int poll = epoll_create1(0), counting = 0;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    write_messages(pipelined);
    for (int each = 0; each < connections; each++) {
        struct client *client = &clients[each];
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
        client->fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(client->fd, (struct sockaddr *)&address, sizeof address))
            die("connect");
        setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        epoll_ctl(poll, EPOLL_CTL_ADD, client->fd, &event);
    }
    for (int each = 0; each < connections; each++)
        ask(&clients[each], pipelined);
    double began = now() + WARM_UP, time;
    for (;;) {
        int ready = epoll_wait(poll, events, 64, 1000);
        for (int each = 0; each < ready; each++) {
            struct client *client = events[each].data.ptr;
            int got = recv(client->fd, client->bytes + client->came, size - client->came, 0);
            if (got <= 0)
                die("recv");
            client->came += got;
            if (client->came < size)
                continue;
            if (memcmp(client->bytes, right[client->turn], size))
                wrong += pipelined;
            answers += pipelined;
            client->came = 0;
            client->turn = (client->turn + 1) % IDS;
            ask(client, pipelined);
        }
        time = now();
        if (!counting && time >= began) {
            counting = 1, answers = wrong = 0, began = time;
            puts("counting");
            fflush(stdout);
        } else if (counting && time >= began + seconds) {
            break;
        }
    }
    printf("{\"answers\": %ld, \"seconds\": %f, \"wrong\": %ld}\n", answers, time - began, wrong);
    return 0;
}
