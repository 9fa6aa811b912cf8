package io.sparkweld
package compile

import io.sparkweld.support.Refusal

/**
 * Remembers functions that exhausted a compile's budget or ended the compile service, so that no request with them is sent again.
 */
final class Condemned {
  private val functions = new Lru[String, Refusal](1024)
  private val offences = new Lru[String, Integer](1024)

  /** Returns why a request is not sent; the refusal names the function. */
  def find(request: PipelineRequest): Option[Refusal] =
    if (functions.size == 0) None
    else functions.get(request.key).orElse(request.message.calls.iterator.flatMap { call =>
      request.blobs.lift(call.payload).flatMap(blob => functions.get(digest(request, blob))).map(_.copy(udf = Some(call.name)))
    }.nextOption())

  /** Reads a reply, which may report that a function used up its time. */
  def read(request: PipelineRequest, frame: Frame): Unit = if (frame.retires) {
    for (found <- frame.refused; refusal <- found.refusals.headOption) {
      val payload = found.payload.flatMap(request.blobs.lift(_))
      functions.put(payload.fold(request.key)(digest(request, _)), Refusal.of(refusal))
    }
  }

  /**
   * Records a request that ended the service. It condemns the function at once when a repetition is certain, else at the second
   * time.
   */
  def add(request: PipelineRequest, gone: ServiceUnavailable): Unit = if (request.blobs.nonEmpty) {
    val count = offences.get(request.key).map(_.intValue).getOrElse(0) + 1
    offences.put(request.key, count)
    if (gone.lasting || count >= Condemned.MostOffences) {
      val why = gone.refusal.copy(message = s"${gone.refusal.message}; it is not compiled again")
      // with several functions the culprit is unknown, so only this very request is condemned
      val culprit = request.message.calls.map(_.payload).distinct match {
        case Seq(payload) => request.blobs.lift(payload)
        case _ => None
      }
      functions.put(culprit.fold(request.key)(digest(request, _)), why)
    }
  }

  /** Identifies a function with its CPU limit and service: under a higher limit it is tried again. */
  private def digest(request: PipelineRequest, blob: Array[Byte]): String =
    s"${Digests.of(blob)} ${request.cpuMs} ${request.service.hashCode}"
}

private object Condemned {
  private val MostOffences = 2
}
