// Projected gradient ascent under linf through a network whose input stays, image by image.
//
// It follows `ascent.py`: a block of images is asked about at once, each at a budget, a restart and
// a step of its own, and who is through makes room for one that waits. Nothing of an image depends
// on which others are asked about with it, to the last bit.

#include <atomic>
#include <cfloat>

#include "host.h"

extern "C" {

// What is known of the images, (images, ...), and how each climbs.
struct Climb {
    int64_t pixels, output, budgets, restarts, steps, idle; // `output`: the area that answers
    int64_t keep_going;                                     // images that are fooled go on, too
    const float *epsilons, *sizes;                          // (budgets), (budgets, steps)
    const float *clean, *offsets;                           // and (restarts, images, pixels)
    const int64_t *labels;
    float *best, *height;     // the best known inputs, and their loss
    uint8_t *fooled, *masked; // whether they fool; whether a gradient was ever zero before
    int64_t *fooled_at;       // the budget, by its place
    float *out;               // (budgets, images, pixels), of images not fooled there
    int64_t forward, backward;
};
}

enum Failure : int64_t { NONE, ANSWER_NOT_FINITE, GRADIENT_NOT_FINITE };

// Where an image stands; before its first restart at the clean image.
struct Climber {
    int64_t image, level, restart, step, idle;
};

// A block of images that climb.
class Party {
  public:
    Party(const Net &given, const Climb &climb, const Weights &weights, size_t most)
        : most(most), climb(climb), images(given.images), weights(weights), host(given),
          output(host.area(climb.output)), there(host.net, weights.forth),
          back(host.net, weights.back), points(given.block * climb.pixels),
          gradients(given.block * climb.pixels), losses(given.block),
          wrong(given.block) {
        for (int64_t s = 0; s < host.net.stills; ++s)
            arrived.push_back(host.numbers(host.net.block * weights.from_input[s].adds.units()));
        answers = output.last + 1 - output.asked;
        by_answer = host.numbers(answers * host.net.block * output.units);
        output.answer = by_answer;
        Walk shared(host.net, weights.forth);
        shared.begin(0, 1, true);
        for (int64_t t = 0; t <= output.last; ++t) shared.forth(t);
    }

    // Lead the images from `next` on, of which other parties take some, to their ends.
    void run(std::atomic<int64_t> &next, int64_t end) {
        while (failure == NONE && fill(next, end)) step();
    }

    Failure failure = NONE;
    int64_t forward = 0, backward = 0; // images asked about, and gradients taken

  private:
    const size_t most; // images at a time
    const Climb &climb;
    const int64_t images;
    const Weights &weights;
    Host host;
    Area &output;
    Walk there, back;
    Lined points, gradients; // (images of the block, pixels)
    std::vector<float> losses;
    std::vector<uint8_t> wrong;
    std::vector<float *> arrived;
    float *by_answer;
    int64_t answers;
    std::vector<Climber> who;

    float *point(size_t n) { return points.data() + n * climb.pixels; }
    const float *clean(size_t n) { return climb.clean + who[n].image * climb.pixels; }
    float epsilon(size_t n) { return climb.epsilons[who[n].level]; }

    bool fill(std::atomic<int64_t> &next, int64_t end) {
        while (who.size() < most) {
            const int64_t image = next++;
            if (image >= end) break;
            // the clean image is judged first, by the same sums as all that it is compared with
            climb.height[image] = -INFINITY, climb.fooled[image] = false;
            who.push_back({image, 0, -1, climb.steps, 0});
            const size_t n = who.size() - 1;
            std::memcpy(point(n), clean(n), climb.pixels * sizeof(float));
        }
        return !who.empty();
    }

    // To where an ascent starts.
    void set_out(size_t n) {
        Climber &climber = who[n];
        climber.step = climber.idle = 0;
        const float far = epsilon(n);
        const float *const origin = clean(n);
        const float *const offset =
            climb.offsets + (climber.restart * images + climber.image) * climb.pixels;
        float *const here = point(n);
        for (int64_t k = 0; k < climb.pixels; ++k)
            here[k] = within(origin[k], far, offset[k] * far + origin[k]);
    }

    static float within(float origin, float far, float value) {
        const float low = std::max(origin - far, 0.0f), high = std::min(origin + far, 1.0f);
        return std::min(std::max(value, low), high);
    }

    void step() {
        const int64_t count = who.size(), climbing = order();
        ask(count);
        if (failure != NONE) return;
        if (climbing) differentiate(climbing);
        for (int64_t n = count - 1; n >= 0 && failure == NONE; --n) follow(n, n < climbing);
    }

    // Those whose last iterate is only judged go to the end; returns how many take a step.
    int64_t order() {
        int64_t first = 0;
        for (size_t n = 0; n < who.size(); ++n)
            if (who[n].step < climb.steps) {
                std::swap(who[n], who[first]);
                if (int64_t(n) != first)
                    std::swap_ranges(point(n), point(n) + climb.pixels, point(first));
                ++first;
            }
        return first;
    }

    // What the network makes of the points: losses, who is fooled, and the gradient by its answer.
    void ask(int64_t count) {
        forward += count;
        for (size_t s = 0; s < arrived.size(); ++s) {
            const Joint &joint = weights.from_input[s];
            std::fill(arrived[s], arrived[s] + count * joint.adds.units(), 0.0f);
            joint.product(points.data(), count, arrived[s]);
        }
        host.drive(arrived, count);
        there.begin(0, count, false);
        for (int64_t t = 0; t <= output.last; ++t) there.forth(t);
        std::vector<float> logits(output.units);
        for (int64_t n = 0; n < count; ++n) {
            std::fill(logits.begin(), logits.end(), 0.0f);
            for (int64_t t = output.asked; t <= output.last; ++t)
                for (int64_t k = 0; k < output.units; ++k)
                    logits[k] += output.rows(output.u, t, n)[k];
            judge(n, logits);
        }
    }

    // Cross-entropy, log(1 + sum over the other classes k of exp(logit k - logit of the label)).
    void judge(int64_t n, std::vector<float> &logits) {
        const int64_t classes = output.units, label = climb.labels[who[n].image];
        float most = -FLT_MAX, sum = 0.0f;
        for (float &each : logits) {
            each /= float(answers);
            if (!std::isfinite(each)) failure = ANSWER_NOT_FINITE;
        }
        for (int64_t k = 0; k < classes; ++k)
            if (k != label) most = std::max(most, logits[k]);
        for (int64_t k = 0; k < classes; ++k)
            if (k != label) sum += std::exp(logits[k] - most);
        const float rivals = most + std::log(sum), ahead = rivals - logits[label];
        const float small = std::exp(-std::fabs(ahead));
        losses[n] = std::max(ahead, 0.0f) + std::log1p(small);
        wrong[n] = std::max_element(logits.begin(), logits.end()) - logits.begin() != label;
        const float share = (ahead > 0.0f ? 1.0f : small) / (1.0f + small) / float(answers);
        for (int64_t k = 0; k < classes; ++k) {
            const float by = k == label ? -share : share * std::exp(logits[k] - rivals);
            for (int64_t t = 0; t < answers; ++t)
                by_answer[(t * host.net.block + n) * classes + k] = by;
        }
    }

    // The gradients of the losses by the points.
    void differentiate(int64_t count) {
        backward += count;
        const Net &net = host.net;
        for (int64_t s = 0; s < net.stills; ++s)
            std::fill(net.still[s].by_drive,
                      net.still[s].by_drive + count * weights.to_input[s].reads.units(), 0.0f);
        back.begin(0, count, false);
        for (int64_t t = output.last; t >= 0; --t) back.back(t);
        std::fill(gradients.data(), gradients.data() + count * climb.pixels, 0.0f);
        for (int64_t s = 0; s < net.stills; ++s)
            weights.to_input[s].product(net.still[s].by_drive, count, gradients.data());
    }

    // Keeps what is better than all before, and moves on.
    void follow(int64_t n, bool climbs) {
        Climber &climber = who[n];
        const int64_t image = climber.image;
        const uint8_t was = climb.fooled[image];
        if (wrong[n] > was || (wrong[n] == was && losses[n] > climb.height[image])) {
            climb.height[image] = losses[n], climb.fooled[image] = wrong[n];
            std::memcpy(climb.best + image * climb.pixels, point(n), climb.pixels * sizeof(float));
        }
        const bool stays = climbs && move(n);
        if (wrong[n] && !climb.keep_going) {
            climb.fooled_at[image] = climber.level;
            return leave(n);
        }
        const bool is_idle = stays && !climb.masked[image] && !climb.keep_going;
        climber.idle = is_idle ? climber.idle + 1 : 0;
        if (!climbs || climber.idle == climb.idle) turn(n);
    }

    // One step along the gradient's sign; whether that leads nowhere. (By the bits of numbers,
    // whose order is theirs where they are not negative, since compilers make vectors of that.)
    bool move(int64_t n) {
        const Climber &climber = who[n];
        const float size = climb.sizes[climber.level * climb.steps + climber.step];
        const float far = epsilon(n);
        const float *const gradient = gradients.data() + n * climb.pixels;
        const float *const origin = clean(n);
        float *const here = point(n);
        uint32_t steepest = 0, moved = 0;
        for (int64_t k = 0; k < climb.pixels; ++k) {
            const float slope = gradient[k], before = here[k];
            steepest = std::max(steepest, bits_of(std::fabs(slope)));
            const float along = slope > 0.0f ? size : slope < 0.0f ? -size : 0.0f;
            here[k] = within(origin[k], far, before + along);
            moved |= here[k] != before;
        }
        if (steepest >= bits_of(INFINITY)) failure = GRADIENT_NOT_FINITE;
        if (steepest == 0 && !wrong[n]) climb.masked[climber.image] = true;
        ++who[n].step;
        return !moved;
    }

    static uint32_t bits_of(float number) {
        uint32_t bits;
        std::memcpy(&bits, &number, sizeof bits);
        return bits;
    }

    // On to the next restart, or after the last of them to the next budget.
    void turn(int64_t n) {
        Climber &climber = who[n];
        if (++climber.restart == climb.restarts) {
            const int64_t image = climber.image;
            std::memcpy(climb.out + (climber.level * images + image) * climb.pixels,
                        climb.best + image * climb.pixels, climb.pixels * sizeof(float));
            climber.restart = 0;
            if (++climber.level == climb.budgets) return leave(n);
        }
        set_out(n);
    }

    // The last takes the place.
    void leave(int64_t n) {
        if (n + 1 < int64_t(who.size())) {
            who[n] = who.back();
            std::memcpy(point(n), point(who.size() - 1), climb.pixels * sizeof(float));
        }
        who.pop_back();
    }
};

extern "C" {

// Leads the images from `first` to before `end` to their ends; returns why it failed.
int64_t ascend(const Net *net, Climb *climb, int64_t first, int64_t end) {
    const Weights weights(*net);
    const int64_t each = (end - first + net->threads - 1) / net->threads;
    std::atomic<int64_t> next{first};
    int64_t failure = NONE;
#pragma omp parallel num_threads(net->threads)
    {
        Party party(*net, *climb, weights, std::min(net->block, each));
        party.run(next, end);
        if (party.failure != NONE) next = end; // nobody begins another one
#pragma omp critical
        {
            failure = std::max<int64_t>(failure, party.failure);
            climb->forward += party.forward, climb->backward += party.backward;
        }
    }
    return failure;
}
}
