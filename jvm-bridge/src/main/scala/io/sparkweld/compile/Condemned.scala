package io.sparkweld.compile

import scala.jdk.CollectionConverters._

import io.sparkweld.support.Refusal

/** Functions that have used up a compile's budget or ended the compile service, and are not asked about again in any request. */
final class Condemned {
  private val functions = new Lru[String, Refusal](1024)
  private val offences = new Lru[String, Integer](1024)

  /** Why a request is not sent; the refusal names the function. */
  def find(request: PipelineRequest): Option[Refusal] =
    if (functions.size == 0) None
    else functions.get(request.key).orElse(PipelineRequest.functionsOf(request.json).flatMap { case (name, payload) =>
      request.blobs.lift(payload).flatMap(blob => functions.get(digest(request, blob))).map(_.copy(udf = Some(name)))
    }.nextOption())

  /** Reads a reply: a function in it may have used up its time. */
  def read(request: PipelineRequest, frame: Frame): Unit = if (frame.json.path("retire").asBoolean) {
    val refusal = frame.json.path("refusals").elements().asScala.map(Refusal.fromJson).nextOption()
    val payload = Option(frame.json.get("payload")).filter(_.isInt).flatMap(at => request.blobs.lift(at.asInt))
    refusal.foreach(functions.put(payload.fold(request.key)(digest(request, _)), _))
  }

  /** A request that ended the service: at once when that is sure to happen again, else when it has happened again. */
  def add(request: PipelineRequest, gone: ServiceUnavailable): Unit = if (request.blobs.nonEmpty) {
    val count = offences.get(request.key).map(_.intValue).getOrElse(0) + 1
    offences.put(request.key, count)
    if (gone.lasting || count >= Condemned.MostOffences) {
      val why = gone.refusal.copy(message = s"${gone.refusal.message}; it is not tried again")
      // of several functions nobody knows which one it was: the request is one of a kind
      val single = PipelineRequest.functionsOf(request.json).map(_._2).toSet.size == 1
      if (single) functions.put(digest(request, request.blobs.head), why) else functions.put(request.key, why)
    }
  }

  /** With a higher limit it is another matter. */
  private def digest(request: PipelineRequest, blob: Array[Byte]): String =
    s"${Digests.of(blob)} ${request.cpuMs} ${request.service.hashCode}"
}

private object Condemned {
  private val MostOffences = 2
}
